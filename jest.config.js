const swc = [
  '@swc/jest',
  { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' }, sourceMaps: 'inline' },
];
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@caas/source', 'node', 'node-addons'] },
  roots: ['packages', 'services', 'platform', 'infra', 'tests'].map((d) => `<rootDir>/${d}`),
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '\\.engine\\.test\\.ts$'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': swc },
  reporters: ['default', '<rootDir>/tests/summary-reporter.js'],
  maxWorkers: 2,
  workerIdleMemoryLimit: '512MB',
  testTimeout: 15_000,
};
