export { type Auth, type AuthPorts, createAuth } from './app.ts';
export type { DevelopmentApp } from './bootstrap.ts';
export { type AuthConfig, authConfig } from './config.ts';
export { type RootKey, rootKeyFrom, rootKeyFromFile } from './key-sealing.ts';
