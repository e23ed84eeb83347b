import { type KeyValue, livingMembers, type NodeStart, startOf, userConnectionsKey } from '@caas/key-value';
import { CaasError, type Logger, toCaasError } from '@caas/kit';
import type { Connection } from '../edge/connection.ts';
import type { LocalUser } from './local.ts';

/** Where connections of this node are registered. */
export interface ConnectionRegistry extends Readonly<NodeStart> {
  addConnection(connection: Connection): Promise<void>;
  removeConnection(connection: Connection): void;
}

interface Asked {
  key: string;
  resolve(members: readonly string[]): void;
  reject(error: unknown): void;
}

/**
 * Holds a user to their number of connections over all nodes. Each is registered first and counted after, so that of two
 * that come at once, on two nodes, not both are let in over the limit. What counts is as old as the canaries: connections of
 * a node that crashed count for 15 s at most. Without the shared store each node counts its own.
 */
export class UserConnections {
  readonly #keyValue: KeyValue;
  readonly #registrations: ConnectionRegistry;
  readonly #logger: Logger;
  #asked: Asked[] = [];

  constructor(keyValue: KeyValue, registrations: ConnectionRegistry, logger: Logger) {
    this.#keyValue = keyValue;
    this.#registrations = registrations;
    this.#logger = logger;
  }

  /** Throws TOO_MANY_CONNECTIONS where the connection, one of the user's here already, is one too many. */
  async admit(user: LocalUser, connection: Connection): Promise<void> {
    const { maxConnections } = connection.limits;
    let count: number;
    try {
      await this.#registrations.addConnection(connection);
      // It closed meanwhile, and was taken back before it was there.
      if (!user.connections.has(connection)) this.#registrations.removeConnection(connection);
      const members = await this.#membersOf(userConnectionsKey(user.tenantId, user.userId));
      count = members.length > maxConnections ? await this.#living(user, members) : 0;
    } catch (error) {
      this.#logger.debug({ err: error }, 'connections on other nodes are not counted');
      return;
    }
    if (count > maxConnections) throw tooManyConnections(maxConnections);
  }

  /** The user's connections here, and those registered by the present starts of other nodes. */
  async #living(user: LocalUser, members: readonly string[]): Promise<number> {
    const own = this.#registrations.nodeId;
    const others = members.filter((member) => startOf(member).nodeId !== own);
    return user.connections.size + (await livingMembers(this.#keyValue, others)).size;
  }

  /** What a turn asks for goes as one call. */
  #membersOf(key: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      if (this.#asked.push({ key, resolve, reject }) === 1) setImmediate(() => void this.#ask());
    });
  }

  async #ask(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    try {
      const sets = await this.#keyValue.membersOf(asked.map(({ key }) => key));
      for (const [i, { resolve }] of asked.entries()) resolve(sets[i] ?? []);
    } catch (error) {
      for (const { reject } of asked) reject(toCaasError(error));
    }
  }
}

export const tooManyConnections = (maxConnections: number): CaasError =>
  new CaasError('TOO_MANY_CONNECTIONS', 'the user has too many open connections', {
    details: { limit: 'maxConnections', value: String(maxConnections), unit: 'connections' },
  });
