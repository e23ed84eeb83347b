import { CaasError } from '@caas/kit';
import type { Redis } from 'ioredis';
import { defaultCommandTimeoutMs, type RedisClient } from './client.ts';
import { redisFault } from './faults.ts';

/** Bytes of commands that may wait for answers; beyond, calls are refused with OVERLOADED. */
export const defaultMaxPendingBytes = 64 * 1024 * 1024;
/** What a command takes beside its arguments; an estimate. */
const commandOverheadBytes = 128;

/** A command by ioredis's name for it (`getBuffer` answers bytes) and its arguments. */
export type RedisCommand = readonly [name: string, ...args: (string | number | Buffer)[]];
type Answer = [error: Error | null, value?: unknown];

interface Call {
  commands: readonly RedisCommand[];
  resolve(answers: unknown[]): void;
  reject(error: CaasError): void;
}

export interface TurnPipelineOptions {
  commandTimeoutMs?: number;
  maxPendingBytes?: number;
}

const bytesOf = (commands: readonly RedisCommand[]): number => {
  let bytes = 0;
  for (const command of commands) {
    bytes += commandOverheadBytes;
    for (const arg of command) bytes += typeof arg === 'string' ? arg.length : typeof arg === 'number' ? 8 : arg.length;
  }
  return bytes;
};

/** Sends what one turn of the event loop asks for as one pipeline, in the order asked, each command at most once. */
export class TurnPipeline {
  readonly #client: RedisClient;
  readonly #commandTimeoutMs: number;
  readonly #maxPendingBytes: number;
  readonly #open = new Set<Promise<void>>();
  #calls: Call[] = [];
  #callsBytes = 0;
  #pendingBytes = 0;
  #closing: Promise<void> | undefined;

  constructor(
    client: RedisClient,
    { commandTimeoutMs = defaultCommandTimeoutMs, maxPendingBytes = defaultMaxPendingBytes }: TurnPipelineOptions = {},
  ) {
    this.#client = client;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#maxPendingBytes = maxPendingBytes;
  }

  /** Answers in the order of the commands. Rejects as the port says when one of them failed, whatever the others did. */
  run(commands: readonly RedisCommand[]): Promise<unknown[]> {
    if (this.#closing !== undefined)
      return Promise.reject(new CaasError('DRAINING', 'the connection to Redis is closed'));
    if (commands.length === 0) return Promise.resolve([]);
    if (this.#client.status !== 'ready') return Promise.reject(new CaasError('UNAVAILABLE', 'Redis is not connected'));
    const bytes = bytesOf(commands);
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#maxPendingBytes) {
      const details = { limit: 'maxPendingBytes', value: String(this.#maxPendingBytes) };
      return Promise.reject(new CaasError('OVERLOADED', 'too much waits for Redis', { details }));
    }
    this.#pendingBytes += bytes;
    this.#callsBytes += bytes;
    return new Promise((resolve, reject) => {
      if (this.#calls.push({ commands, resolve, reject }) === 1) setImmediate(() => this.#flush());
    });
  }

  /** Waits for the answers of what was asked before, as long as each may take, then closes the connection. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#flush();
      await Promise.all(this.#open);
      this.#client.disconnect();
    })();
    return this.#closing;
  }

  #flush(): void {
    const calls = this.#calls;
    if (calls.length === 0) return;
    const bytes = this.#callsBytes;
    this.#calls = [];
    this.#callsBytes = 0;
    const overdue = setTimeout(() => {
      const details = { limit: 'commandTimeoutMs' };
      for (const { reject } of calls) reject(new CaasError('UNAVAILABLE', 'Redis did not answer in time', { details }));
    }, this.#commandTimeoutMs);
    const answered = this.#send(calls.flatMap(({ commands }) => commands))
      .then(
        (answers) => settle(calls, answers),
        (fault: unknown) => {
          for (const { reject } of calls) reject(redisFault(fault));
        },
      )
      .finally(() => {
        clearTimeout(overdue);
        // Only now: until they are answered or their connection ends, the commands are held.
        this.#pendingBytes -= bytes;
        this.#open.delete(answered);
      });
    this.#open.add(answered);
  }

  async #send(commands: readonly RedisCommand[]): Promise<Answer[]> {
    const client = this.#client;
    if (!client.isCluster) return ((await client.pipeline(commands as never).exec()) ?? []) as Answer[];
    const methods = client as unknown as Record<string, Redis['call']>;
    return Promise.all(
      commands.map(async ([name, ...args]): Promise<Answer> => {
        try {
          return [null, await (methods[name] as Redis['call']).apply(client, args as never)];
        } catch (error) {
          return [error as Error];
        }
      }),
    );
  }
}

const settle = (calls: readonly Call[], answers: readonly Answer[]): void => {
  let at = 0;
  for (const { commands, resolve, reject } of calls) {
    const own = answers.slice(at, at + commands.length);
    at += commands.length;
    const failed = own.find(([error]) => error);
    if (failed) reject(redisFault(failed[0]));
    else resolve(own.map(([, value]) => value));
  }
};
