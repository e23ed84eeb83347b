export * from './clock.ts';
export * from './config.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './lifecycle.ts';
export type { Logger } from './log.ts';
export * from './retry.ts';
export * from './tenant-limits.ts';
export * from './trace.ts';
