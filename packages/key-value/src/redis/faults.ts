import { CaasError } from '@caas/kit';

/** Answers of a Redis that can't do it now: it loads, fails over, moves slots, or is held up by a script. */
const passing = /^(LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|NOREPLICAS|NOAUTH|UNBLOCKED)\b/;

/** True for answers of Redis itself; other errors are those of the connection. */
const isReply = (thrown: unknown): thrown is Error => thrown instanceof Error && thrown.name === 'ReplyError';

/** True when Redis knows neither this user nor this password, or lets it do nothing: no further try helps. */
export const isRefusedLogin = (thrown: unknown): boolean =>
  isReply(thrown) && /^(WRONGPASS|NOAUTH|NOPERM)\b/.test(thrown.message);

/**
 * What Redis or the way to it failed with, as CaasError. Redis quotes keys in some of its answers, and keys carry ids, so its
 * words stay in the cause.
 */
export const redisFault = (thrown: unknown): CaasError => {
  if (thrown instanceof CaasError) return thrown;
  if (!isReply(thrown) || passing.test(thrown.message))
    return new CaasError('UNAVAILABLE', 'Redis does not answer', { cause: thrown });
  if (thrown.message.startsWith('OOM'))
    return new CaasError('OVERLOADED', 'Redis has no memory left', { details: { limit: 'maxmemory' }, cause: thrown });
  // Not the caller's refusal: this service was given a user that may not do what it does.
  if (thrown.message.startsWith('NOPERM') || /can't (run|access)/.test(thrown.message))
    return new CaasError('INTERNAL', 'the Redis user of this service may not do this', { cause: thrown });
  return new CaasError('INTERNAL', 'internal error', { cause: thrown });
};
