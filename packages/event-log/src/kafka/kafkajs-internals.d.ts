/** The parts of kafkajs 2.2.4 below its producer and consumer that this adapter speaks through; see link.ts for why. */

declare module 'kafkajs/src/loggers/index.js' {
  export interface InternalLogger {
    namespace(name: string): InternalLogger;
  }
  export function createLogger(options: {
    level: number;
    logCreator: (level: number) => (entry: never) => void;
  }): InternalLogger;
}

declare module 'kafkajs/src/network/connectionPool.js' {
  import type { Socket } from 'node:net';
  import type { ISocketFactory, SASLOptions } from 'kafkajs';
  import type { InternalLogger } from 'kafkajs/src/loggers/index.js';

  export interface ProtocolCall {
    request: unknown;
    response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
    requestTimeout?: number;
  }
  export interface Connection {
    socket?: Socket;
    requestQueue: { destroy(): void };
    isConnected(): boolean;
    rejectRequests(error: Error): void;
    send(call: ProtocolCall): Promise<unknown>;
  }
  export default class ConnectionPool {
    constructor(options: {
      host: string;
      port: number;
      rack: string | null;
      logger: InternalLogger;
      socketFactory: ISocketFactory;
      ssl: unknown;
      sasl: SASLOptions | undefined;
      clientId: string;
      connectionTimeout: number;
      requestTimeout: number;
      enforceRequestTimeout: boolean;
    });
    readonly pool: readonly Connection[];
  }
}

declare module 'kafkajs/src/broker/index.js' {
  import type { InternalLogger } from 'kafkajs/src/loggers/index.js';
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js';
  import type { ProtocolCall } from 'kafkajs/src/network/connectionPool.js';

  export default class Broker {
    constructor(options: { connectionPool: ConnectionPool; logger: InternalLogger; allowAutoTopicCreation: boolean });
    readonly connectionPool: ConnectionPool;
    connect(): Promise<void>;
    /** The newest version of an API that both sides speak. */
    readonly lookupRequest: (apiKey: number, definition: unknown) => (args: object) => ProtocolCall;
  }
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  export const requests: Readonly<Record<string, unknown>>;
}

declare module 'kafkajs/src/protocol/requests/apiKeys.js' {
  const apiKeys: Readonly<Record<string, number>>;
  export default apiKeys;
}

declare module 'kafkajs/src/protocol/error.js' {
  export const errorCodes: readonly { type: string; code: number }[];
}
