export * from './open.ts';
export * from './open-keys.ts';
export * from './settings.ts';
export * from './vault-settings.ts';
