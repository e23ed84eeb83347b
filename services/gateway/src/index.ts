export { createGateway, type Gateway, type GatewayPorts } from './app.ts';
export { type GatewayConfig, gatewayConfig } from './config.ts';
