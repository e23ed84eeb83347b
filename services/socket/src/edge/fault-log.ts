import type { CaasError, Clock, Logger } from '@caas/kit';

/** Least time between two lines on faults of an engine, ms: while one is damaged every command meets it. */
const engineLineMs = 30_000;
/** How long an engine counts as damaged after it last said so, ms. */
const damagedMs = 30_000;

/** The fault an engine is behind, however it was told on. */
const engineFaultOf = (error: unknown): CaasError | undefined => {
  for (let at = error as Partial<CaasError> | undefined, depth = 0; at && depth < 4; depth++) {
    if (at.details?.['engine'] !== undefined) return at as CaasError;
    at = at.cause as Partial<CaasError> | undefined;
  }
  return undefined;
};

/**
 * Tells operators of what no client can mend: faults of our own, each, and those of the engines behind us, now and then.
 * A client is told of both that something did not work.
 */
export class FaultLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #damagedAtMs = Number.NEGATIVE_INFINITY;
  #untold = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** True while an engine says that its data is damaged, which no waiting mends. */
  get damaged(): boolean {
    return this.#clock.now() - this.#damagedAtMs < damagedMs;
  }

  heard(error: CaasError, what: string, fields: Readonly<Record<string, unknown>>): void {
    const engine = engineFaultOf(error);
    if (!engine) {
      if (error.reason === 'INTERNAL') this.#logger.error({ ...fields, err: error.cause ?? error }, what);
      return;
    }
    const now = this.#clock.now();
    if (!engine.retryable) this.#damagedAtMs = now;
    if (Math.abs(now - this.#toldAtMs) < engineLineMs) {
      this.#untold++;
      return;
    }
    this.#toldAtMs = now;
    this.#logger.error({ ...fields, err: engine.cause ?? engine, ...engine.details, untold: this.#untold }, what);
    this.#untold = 0;
  }
}
