export * from './open.ts';
export * from './settings.ts';
export * from './open-keys.ts';
export * from './vault-settings.ts';
