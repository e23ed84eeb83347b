export { type PlatformConfig, platformConfig } from './config.ts';
export type { Restartable } from './restartable.ts';
export { type Engines, type Platform, type PlatformOptions, startPlatform } from './start.ts';
