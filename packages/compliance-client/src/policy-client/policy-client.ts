import { setTimeout as pause } from 'node:timers/promises';
import { CaasError, type Logger } from '@caas/kit';
import type { GrpcClient } from '@caas/kit/grpc';
import {
  ContentPolicy,
  type HeldContent,
  type PolicyServiceService,
} from '@caas/proto/caas/compliance/v1/policy_service';
import { type Asked, compilePolicyBeside, type Evaluator, JudgeThread, type Verdict } from '../policy/index.ts';
import { allowed } from '../policy/verdict.ts';
import { AsyncQueue } from './async-queue.ts';
import {
  defaultFirstWordMs,
  defaultHoldMs,
  defaultReviewMs,
  maxFollowedTenants,
  maxHeldBytes,
  maxSilenceMs,
  maxTenantsPerRequest,
  quietMs,
  reopenMs,
} from './limits.ts';
import { Reviews } from './reviews.ts';
import { type PolicySource, StandIn } from './stand-in.ts';

/** A verdict, or what the tenant wants where none can be had. */
export type Judgement = (
  | Verdict
  /** Accepted as it is, which is to be audited. */
  | { kind: 'unjudged' }
  /** Refused, for now. */
  | { kind: 'unavailable' }
) & {
  /** Of the policy it is by; 0: the tenant has none, or it is not known. */
  version: number;
};

export interface PolicyClientOptions {
  service: Pick<GrpcClient<typeof PolicyServiceService>, 'watchPolicies' | 'reviewContent' | 'holdContent' | 'close'>;
  /** Asked while compliance does not answer; without it there are no verdicts then. */
  source?: PolicySource;
  logger: Logger;
  /** How long a policy is good without a word from compliance or the source, in milliseconds. */
  holdMs?: number;
  firstWordMs?: number;
  reviewMs?: number;
}

/** A tenant that is followed. */
interface Followed {
  /** By the order of what was judged. */
  usedAt: number;
  /** Undefined: nothing is known yet. */
  held: Held | undefined;
  /** Told once the first word is in. */
  first: (() => void)[];
  /** The newest that was told, which may not be compiled yet. */
  told: ContentPolicy | undefined;
}

interface Held {
  policy: ContentPolicy;
  /** Undefined: it can't be judged by. */
  evaluator: Evaluator | undefined;
  /** Encoded, for the thread; made when it is needed. */
  encoded: Uint8Array | undefined;
}

/** What is judged: a text of a tenant. */
interface Case {
  tenantId: string;
  text: string;
}

/**
 * Judges texts by the policies of their tenants, which it keeps in step with compliance over one stream, or while that is
 * silent with where the policies are kept. Most verdicts are there at once; those that need a thread, a review or the first word
 * on a tenant come later.
 */
export class PolicyClient {
  readonly #options: PolicyClientOptions;
  readonly #holdMs: number;
  readonly #reviews: Reviews;
  readonly #thread = new JudgeThread();
  readonly #tenants = new Map<string, Followed>();
  /** Names of tenants to follow, of the stream that is open. */
  #requests: AsyncQueue<string> | undefined;
  readonly #standIn: StandIn;
  /** When compliance last gave a word. */
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #uses = 0;
  #heldBytes = 0;

  constructor(options: PolicyClientOptions) {
    this.#options = options;
    this.#holdMs = options.holdMs ?? defaultHoldMs;
    this.#reviews = new Reviews(options.service, options.reviewMs ?? defaultReviewMs, options.logger);
    this.#standIn = new StandIn(options, {
      known: () => [...this.#tenants].map(([tenantId, { told }]) => [tenantId, told?.version]),
      told: (policy) => this.#told(policy),
    });
  }

  /** Whether it has heard from compliance lately: reviews and holding need it. */
  get hearsCompliance(): boolean {
    return performance.now() - this.#heardAtMs < this.#holdMs;
  }

  /** The tenant's policy is going to be needed. */
  follow(tenantId: string): void {
    this.#followed(tenantId);
  }

  /** What is to happen to a text. A value where the policy is at hand and says it by itself; never rejects. */
  judge(tenantId: string, text: string): Judgement | Promise<Judgement> {
    const followed = this.#followed(tenantId);
    const { held } = followed;
    if (!held) return this.#first(followed).then(() => this.#judgeHeld({ tenantId, text }, followed.held));
    return this.#judgeHeld({ tenantId, text }, held);
  }

  /**
   * Keeps what a verdict holds for a moderator. Rejects with LIMIT_EXCEEDED where the tenant has as much as it may, and with
   * POLICY_UNAVAILABLE where it can't be kept now: then it is neither held nor said.
   */
  async hold(tenantId: string, content: HeldContent, traceparent: string): Promise<void> {
    try {
      await this.#options.service.holdContent({ tenantId, content }, { traceparent });
    } catch (cause) {
      if (!(cause instanceof CaasError) || !cause.retryable) throw cause;
      throw new CaasError('POLICY_UNAVAILABLE', 'what is to be held can’t be kept now', { cause });
    }
  }

  /** Follows the policies until the signal; then closes what it works with. */
  async run(signal: AbortSignal): Promise<void> {
    const isSilent = (): boolean => performance.now() - this.#heardAtMs > quietMs;
    await Promise.all([this.#followCompliance(signal), this.#standIn.run(isSilent, signal)]);
    this.#reviews.close();
    await this.#thread.close();
    this.#options.service.close();
  }

  async #followCompliance(signal: AbortSignal): Promise<void> {
    let toldOf: number | undefined;
    while (!signal.aborted) {
      try {
        await this.#watch(signal);
      } catch (error) {
        // Told once: it may be away for long.
        if (!signal.aborted && toldOf !== this.#heardAtMs)
          this.#options.logger.warn({ err: error }, 'policies are not followed; trying again');
        toldOf = this.#heardAtMs;
      }
      await pause(reopenMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #judgeHeld(of: Case, held: Held | undefined): Judgement | Promise<Judgement> {
    if (!held) return { kind: 'unavailable', version: 0 };
    const { version } = held.policy;
    // A tenant that has none is known to have none: compliance alone makes one.
    if (version === 0) return none;
    if (!held.evaluator) return withoutVerdict(held);
    const judged = held.evaluator.judge(of.text);
    if (judged === 'heavy') return this.#judgeInThread(of, held);
    return judged.kind === 'review' ? this.#review(of, held, judged) : this.#certain(held, judged);
  }

  async #judgeInThread({ tenantId, text }: Case, held: Held): Promise<Judgement> {
    held.encoded ??= ContentPolicy.encode(held.policy).finish();
    const name = `${held.policy.version}:${tenantId}`;
    const judged = await this.#thread.judge(tenantId, { name, policy: held.encoded, text, asReviewer: false });
    if (!judged) return withoutVerdict(held);
    return judged.kind === 'review' ? this.#review({ tenantId, text }, held, judged) : this.#certain(held, judged);
  }

  async #review({ tenantId, text }: Case, held: Held, { ruleIds, otherwise }: Asked): Promise<Judgement> {
    const { version } = held.policy;
    const verdict = await this.#reviews.ask({ tenantId, policyVersion: version, ruleIds: [...ruleIds], text });
    // The reviewer has judged by all rules. What these here say holds without it.
    if (!verdict) return this.#withoutReview(held, otherwise);
    return this.#certain(held, verdict);
  }

  /** Without the review the mask is not all: who is open to that still has what there is of it, and what is held stays so. */
  #withoutReview(held: Held, otherwise: Verdict): Judgement {
    const { version, openWithoutVerdict } = held.policy;
    const stands = otherwise.kind === 'mask' || otherwise.kind === 'hold';
    return stands && openWithoutVerdict ? { ...otherwise, version } : withoutVerdict(held);
  }

  /**
   * A verdict by a policy that may be out of date: what it refuses, holds or masks it still does, what it lets pass is not
   * judged.
   */
  #certain(held: Held, verdict: Verdict): Judgement {
    const { version, openWithoutVerdict } = held.policy;
    const isSure = performance.now() - Math.max(this.#heardAtMs, this.#standIn.readAtMs) < this.#holdMs;
    if (isSure || (openWithoutVerdict && verdict.kind !== 'allow' && verdict.kind !== 'flag'))
      return { ...verdict, version };
    return withoutVerdict(held);
  }

  #followed(tenantId: string): Followed {
    let followed = this.#tenants.get(tenantId);
    if (!followed) {
      if (this.#tenants.size >= maxFollowedTenants) this.#dropOldest();
      followed = { usedAt: 0, held: undefined, first: [], told: undefined };
      this.#tenants.set(tenantId, followed);
      this.#requests?.put(tenantId);
    }
    followed.usedAt = ++this.#uses;
    return followed;
  }

  #dropOldest(): void {
    const [oldest] = [...this.#tenants].reduce((a, b) => (a[1].usedAt < b[1].usedAt ? a : b));
    this.#hold(this.#tenants.get(oldest) as Followed, undefined);
    this.#tenants.delete(oldest);
  }

  #first(followed: Followed): Promise<void> {
    return new Promise((resolve) => {
      const firstWordMs = this.#options.firstWordMs ?? defaultFirstWordMs;
      const late = setTimeout(resolve, firstWordMs);
      const ask = setTimeout(() => void this.#standIn.read(), firstWordMs / 4);
      followed.first.push(() => {
        clearTimeout(late);
        clearTimeout(ask);
        resolve();
      });
    });
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const requests = new AsyncQueue<string>();
    this.#requests = requests;
    for (const tenantId of this.#tenants.keys()) requests.put(tenantId);
    const named = async function* () {
      for await (const tenantIds of requests.batches((items) => items.splice(0, maxTenantsPerRequest)))
        yield { tenantIds };
    };
    const silence = new AbortController();
    let heardAtMs = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - heardAtMs > maxSilenceMs)
        silence.abort(new CaasError('UNAVAILABLE', 'compliance is silent'));
    }, 500);
    try {
      const stream = this.#options.service.watchPolicies(named(), {
        signal: AbortSignal.any([signal, silence.signal]),
      });
      for await (const { policies } of stream) {
        heardAtMs = performance.now();
        this.#heardAtMs = heardAtMs;
        for (const policy of policies) this.#told(policy);
      }
    } finally {
      clearInterval(watchdog);
      this.#requests = undefined;
      requests.end();
    }
  }

  /** A policy is in force once it is compiled; until then the one before is. */
  #told(policy: ContentPolicy): void {
    const followed = this.#tenants.get(policy.tenantId);
    // Of two words that cross the older one may come last.
    if (!followed || (followed.told && followed.told.version >= policy.version)) return;
    followed.told = policy;
    if (policy.version === 0) {
      this.#hold(followed, { policy, evaluator: undefined, encoded: undefined });
      return;
    }
    void this.#compile(followed, policy);
  }

  async #compile(followed: Followed, policy: ContentPolicy): Promise<void> {
    const evaluator = await compilePolicyBeside(policy).catch((err: unknown) => {
      const { tenantId, version } = policy;
      this.#options.logger.error({ err, tenantId, version }, 'a policy can’t be applied; its tenant gets no verdicts');
      return undefined;
    });
    // Another one may have come meanwhile, or the tenant have gone.
    if (followed.told !== policy || this.#tenants.get(policy.tenantId) !== followed) return;
    this.#hold(followed, { policy, evaluator, encoded: undefined });
  }

  #hold(followed: Followed, held: Held | undefined): void {
    this.#heldBytes -= followed.held?.evaluator?.bytes ?? 0;
    if (held?.evaluator && this.#heldBytes + held.evaluator.bytes > maxHeldBytes) {
      const { tenantId } = held.policy;
      this.#options.logger.error(
        { tenantId, maxHeldBytes },
        'too many policies are held; this tenant gets no verdicts',
      );
      held.evaluator = undefined;
    }
    this.#heldBytes += held?.evaluator?.bytes ?? 0;
    followed.held = held;
    for (const told of followed.first.splice(0)) told();
  }
}

const none: Judgement = { ...allowed, version: 0 };

const withoutVerdict = ({ policy: { version, openWithoutVerdict } }: Held): Judgement => ({
  kind: openWithoutVerdict ? 'unjudged' : 'unavailable',
  version,
});
