import { CaasError } from './errors.ts';

export interface BreakerOptions {
  /** Calls in a row that failed for want of an answer, after which the service is left alone. */
  failures: number;
  /** How long, in milliseconds; then one call tries. */
  openMs: number;
}

const noAnswer: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'DRAINING']);
const isNoAnswer = (error: unknown): boolean => error instanceof CaasError && noAnswer.has(error.reason);

type Guard = <T>(call: () => Promise<T>) => Promise<T>;

/** Runs calls of a service, and refuses them at once with UNAVAILABLE while the service has not answered for long. */
export const breaker = (name: string, { failures, openMs }: BreakerOptions): Guard => {
  let made: Promise<Guard> | undefined;
  const make = async (): Promise<Guard> => {
    const { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleWhen } = await import('cockatiel');
    const circuit = circuitBreaker(handleWhen(isNoAnswer), {
      halfOpenAfter: openMs,
      breaker: new ConsecutiveBreaker(failures),
    });
    return (call) =>
      circuit.execute(call).catch((error: unknown) => {
        throw error instanceof BrokenCircuitError
          ? new CaasError('UNAVAILABLE', `${name} did not answer for a while and is left alone`, { cause: error })
          : error;
      });
  };
  return async (call) => {
    made ??= make();
    return (await made)(call);
  };
};
