import { EventEmitter, on } from 'node:events';
import { HealthService, HealthCheckResponse_ServingStatus as Serving } from '@caas/proto/grpc/health/v1/health';
import { fail } from '../errors.ts';
import { type ServiceBinding, service } from './service.ts';

/** The health of a server and its services, as `grpc.health.v1.Health` tells it. */
export class Health {
  readonly #changes = new EventEmitter({ captureRejections: false }).setMaxListeners(0);
  readonly #statuses: Map<string, Serving>;

  /** Names are full service names; the empty name is the server as a whole. */
  constructor(names: readonly string[]) {
    this.#statuses = new Map(['', ...names].map((name) => [name, Serving.SERVING]));
  }

  /** Tells one service's state, or with the empty name the server's. */
  set(name: string, serving: boolean): void {
    this.#statuses.set(name, serving ? Serving.SERVING : Serving.NOT_SERVING);
    this.#changes.emit('change');
  }

  /** Tells everyone that asks or watches to go elsewhere. */
  stopping(): void {
    for (const name of this.#statuses.keys()) this.#statuses.set(name, Serving.NOT_SERVING);
    this.#changes.emit('change');
  }

  readonly binding: ServiceBinding = service(HealthService, {
    check: async ({ service: name }) => ({
      status: this.#statuses.get(name) ?? fail('NOT_FOUND', `no service ${name}`, { details: { service: name } }),
    }),
    list: async () => ({
      statuses: Object.fromEntries([...this.#statuses].map(([name, status]) => [name, { status }])),
    }),
    watch: ({ service: name }, { signal }) => this.#watch(name, signal),
  });

  async *#watch(name: string, signal: AbortSignal) {
    const current = () => this.#statuses.get(name) ?? Serving.SERVICE_UNKNOWN;
    // Listens before the first answer, so that a change in between is not lost.
    const changes = on(this.#changes, 'change', { signal });
    let told: Serving = current();
    yield { status: told };
    for await (const _ of changes) {
      if (current() === told) continue;
      told = current();
      yield { status: told };
    }
  }
}
