export { createSocketNode, type SocketConfig, type SocketNode, type SocketPorts, type SocketStats } from './app.ts';
export { authClients } from './auth-clients.ts';
export { type SocketEnvironment, socketConfig } from './config.ts';
export { defaultBounds, defaultLimits, type Limits, type NodeBounds } from './limits.ts';
export { type MediaClient, mediaClient } from './media-client.ts';
export { type PolicyClientSettings, policyClient } from './policy-clients.ts';
export { searchClient } from './search-client.ts';
