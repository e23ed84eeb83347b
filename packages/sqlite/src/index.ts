export type { HandlerModule, Handlers } from './handler.ts';
export * from './host.ts';
