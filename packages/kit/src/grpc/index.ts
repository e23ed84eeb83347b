/** gRPC as every service speaks it; `@caas/kit/grpc`. */
export { operator, type ServiceAuth, type SharedTokenOptions, sharedTokenAuth } from './auth.ts';
export { type AuthSettings, chooseServiceAuth } from './choose-auth.ts';
export { createGrpcClient, type GrpcClient, type GrpcClientOptions } from './client.ts';
export { type MutualTlsOptions, mutualTls } from './mutual-tls.ts';
export { createGrpcServer, type GrpcServer, type GrpcServerOptions } from './server.ts';
export {
  type CallContext,
  type CallOptions,
  type Handlers,
  type Methods,
  type ServiceBinding,
  type ServiceDefinition,
  service,
} from './service.ts';
