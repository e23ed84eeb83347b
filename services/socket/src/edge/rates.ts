import { TokenBucket } from '@caas/kit';
import type { Limits } from '../limits.ts';

/** Frames a user may have looked into, as a multiple of those that are let through: what is refused is read, too. */
const lookedInto = 2;

type RateLimits = Pick<Limits, 'sendsPerSecond' | 'sendsBurst' | 'framesPerMinute'>;
export type RateName = 'sends' | 'frames' | 'all';

const allPerSecond = ({ sendsPerSecond, framesPerMinute }: RateLimits): number =>
  lookedInto * (sendsPerSecond + framesPerMinute / 60);
const allAtOnce = ({ sendsBurst, framesPerMinute }: RateLimits): number => lookedInto * (sendsBurst + framesPerMinute);

/** What a user may still do on this node, shared by all of the user's connections and kept when they reconnect. */
export class Rates {
  readonly sends: TokenBucket;
  readonly frames: TokenBucket;
  /** Frames of any kind, taken from before a frame is decoded: past it nothing is read but the id. */
  readonly all: TokenBucket;
  /** Rate refusals, less the frames let through since. */
  refusals = 0;
  #limits: RateLimits;

  constructor(limits: RateLimits) {
    this.#limits = limits;
    this.sends = new TokenBucket(limits.sendsPerSecond, limits.sendsBurst);
    this.frames = new TokenBucket(limits.framesPerMinute / 60, limits.framesPerMinute);
    this.all = new TokenBucket(allPerSecond(limits), allAtOnce(limits));
  }

  /** Other limits from now on; what is used up stays used up. */
  adjust(limits: RateLimits): void {
    this.#limits = limits;
    this.sends.adjust(limits.sendsPerSecond, limits.sendsBurst);
    this.frames.adjust(limits.framesPerMinute / 60, limits.framesPerMinute);
    this.all.adjust(allPerSecond(limits), allAtOnce(limits));
  }

  /** The limit behind a rate, as a refusal tells it. */
  limitOf(rate: RateName): { limit: string; value: string; unit: string } {
    const { sendsPerSecond, framesPerMinute } = this.#limits;
    if (rate === 'sends') return { limit: 'sendsPerSecond', value: String(sendsPerSecond), unit: 'sends/s' };
    if (rate === 'frames') return { limit: 'framesPerMinute', value: String(framesPerMinute), unit: 'frames/min' };
    return { limit: 'allFramesPerSecond', value: String(allPerSecond(this.#limits)), unit: 'frames/s' };
  }
}
