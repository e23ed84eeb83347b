import { KeyedTimers } from './keyed-timers.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock } from './ports.ts';
import type { Typing } from './wire/frames.ts';

/** Lets typing cease by itself, as the contract has it: nodes keep nothing, so a lost `false` would last for ever. */
export class TypingTimers {
  readonly #timers: KeyedTimers;
  readonly #limits: ClientLimits;
  readonly #emit: (typing: Typing) => void;
  /** Who types where, the one longest silent first. */
  readonly #typing = new Map<string, Typing>();

  constructor(clock: Clock, limits: ClientLimits, emit: (typing: Typing) => void) {
    this.#timers = new KeyedTimers(clock);
    this.#limits = limits;
    this.#emit = emit;
  }

  /** Tells what a node tells, and that it has ceased when no repeat comes in time or too many type at once. */
  heard(typing: Typing): void {
    const key = JSON.stringify([typing.conversationId, typing.userId]);
    this.#timers.cancel(key);
    this.#typing.delete(key);
    if (typing.typing) {
      const oldest = this.#typing.size >= this.#limits.maxTyping ? this.#typing.keys().next().value : undefined;
      if (oldest !== undefined) this.#cease(oldest);
      this.#typing.set(key, typing);
      this.#timers.start(key, this.#limits.typingTimeoutMs, () => this.#cease(key));
    }
    this.#emit(typing);
  }

  stop(): void {
    this.#timers.stop();
    this.#typing.clear();
  }

  #cease(key: string): void {
    const typing = this.#typing.get(key);
    this.#timers.cancel(key);
    this.#typing.delete(key);
    if (typing) this.#emit({ ...typing, typing: false });
  }
}
