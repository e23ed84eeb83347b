export * from './keys.ts';
export * from './memory-key-value.ts';
export * from './memory-node-inbox.ts';
export * from './memory-rate-limits.ts';
export type * from './port.ts';
export * from './redis-acl.ts';
export * from './redis-key-value.ts';
export * from './redis-node-inbox.ts';
export * from './redis-rate-limits.ts';
