import base from './jest.config.js';

/** The tests that need real engines; `npm run test:engines` starts them and says where they are. */
export default {
  ...base,
  testMatch: ['**/*.engine.test.ts'],
  // There is no vault among the engines, and clamd only on request: their tests run where one is named.
  testPathIgnorePatterns: [
    '/node_modules/',
    // biome-ignore lint/style/noProcessEnv: jest's own settings have no config.ts
    ...(process.env.VAULT_URL ? [] : ['transit-key-vault']),
    // biome-ignore lint/style/noProcessEnv: jest's own settings have no config.ts
    ...(process.env.MEDIA_CLAMD_ADDRESS ? [] : ['clamd-scanner']),
  ],
  testTimeout: 60_000,
};
