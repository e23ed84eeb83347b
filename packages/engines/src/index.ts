export * from './open.ts';
export * from './open-keys.ts';
export * from './open-media.ts';
export * from './s3-settings.ts';
export * from './settings.ts';
export * from './vault-settings.ts';
