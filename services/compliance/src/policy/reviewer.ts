import { compilePolicyBeside, type Evaluator, JudgeThread, type Verdict } from '@caas/compliance-client/policy';
import { ContentPolicy, type ReviewItem } from '@caas/proto/caas/compliance/v1/policy_service';
import { maxReviewerBytes } from '../limits.ts';
import type { Policies } from './policies.ts';

/** Judges what rules ask a review for. The verdict's action is at most that of the rules. */
export interface Reviewer {
  /** Undefined: there is no verdict now. Never rejects. */
  review(item: ReviewItem): Promise<Verdict | undefined>;
  close(): Promise<void>;
}

/** The reviewer where there is no other: all rules of the policy with their own actions. */
export class RuleReviewer implements Reviewer {
  readonly #policies: Policies;
  readonly #thread = new JudgeThread();
  /** By tenant and version, least recently used first. */
  readonly #kept = new Map<string, { policy: ContentPolicy; evaluator: Evaluator }>();
  #bytes = 0;

  constructor(policies: Policies) {
    this.#policies = policies;
  }

  async review({ tenantId, policyVersion, text }: ReviewItem): Promise<Verdict | undefined> {
    const name = `${policyVersion}:${tenantId}`;
    const found = await this.#evaluator(name, tenantId, policyVersion).catch(() => undefined);
    if (!found) return undefined;
    const quick = found.evaluator.judge(text, { asReviewer: true });
    const judged =
      quick === 'heavy'
        ? await this.#thread.judge(tenantId, {
            name,
            policy: ContentPolicy.encode(found.policy).finish(),
            text,
            asReviewer: true,
          })
        : quick;
    return judged?.kind === 'review' ? undefined : judged;
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  async #evaluator(name: string, tenantId: string, version: number) {
    const kept = this.#kept.get(name);
    if (kept) {
      this.#kept.delete(name);
      this.#kept.set(name, kept);
      return kept;
    }
    const policy = await this.#policies.version(tenantId, version);
    if (!policy || version === 0) return undefined;
    const made = { policy, evaluator: await compilePolicyBeside(policy) };
    this.#kept.set(name, made);
    this.#bytes = [...this.#kept.values()].reduce((sum, { evaluator }) => sum + evaluator.bytes, 0);
    for (const [oldest, { evaluator }] of this.#kept) {
      if (this.#bytes <= maxReviewerBytes || oldest === name) break;
      this.#kept.delete(oldest);
      this.#bytes -= evaluator.bytes;
    }
    return made;
  }
}
