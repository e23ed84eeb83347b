export { type PlatformConfig, platformConfig } from './config.ts';
export type { Restartable } from './restartable.ts';
export { type Platform, type PlatformOptions, startPlatform } from './start.ts';
