export { type RootKey, rootKeyFrom, rootKeyFromFile } from '@caas/kit/sealing';
export { type Auth, type AuthPorts, createAuth } from './app.ts';
export type { DevelopmentApp } from './bootstrap.ts';
export { type AuthConfig, authConfig } from './config.ts';
