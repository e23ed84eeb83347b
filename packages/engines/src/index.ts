export * from './open.ts';
export * from './open-keys.ts';
export * from './open-media.ts';
export * from './settings.ts';
export * from './vault-settings.ts';
