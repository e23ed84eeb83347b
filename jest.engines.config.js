import base from './jest.config.js';

/** The tests that need real engines; `npm run test:engines` starts them and says where they are. */
export default {
  ...base,
  testMatch: ['**/*.engine.test.ts'],
  // There is no vault among the engines: its test runs where one is named.
  // biome-ignore lint/style/noProcessEnv: jest's own settings have no config.ts
  testPathIgnorePatterns: ['/node_modules/', ...(process.env.VAULT_URL ? [] : ['transit-key-vault'])],
  testTimeout: 60_000,
};
