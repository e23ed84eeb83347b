import base from './jest.config.js';

/** The tests that need real engines; `npm run test:engines` starts them and says where they are. */
export default {
  ...base,
  testMatch: ['**/*.engine.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 60_000,
};
