/** What is to happen to a text, the greatest action of the rules it meets. A value: whoever asked must treat each. */
export type Verdict =
  | { kind: 'allow' }
  | { kind: 'flag'; ruleIds: readonly string[] }
  /** `text` is what may be said. */
  | { kind: 'mask'; ruleIds: readonly string[]; text: string }
  /** For a moderator. `text` is what may be said if they allow it; the first id is that of the rule whose public reason it is. */
  | { kind: 'hold'; ruleIds: readonly string[]; publicReason: string; text: string }
  /** The first id is that of the rule whose public reason it is. */
  | { kind: 'reject'; ruleIds: readonly string[]; publicReason: string };

export const allowed: Verdict = { kind: 'allow' };

/** Half-open range of code units in the text. */
export interface Span {
  start: number;
  end: number;
}

/** Where a rule is met, found when it is asked. */
export interface Places {
  /** Of those of the rules that are met there too; each call begins anew. */
  spans(rules: ReadonlySet<number>): Iterable<Span>;
  /** What each may cost at most, in steps. */
  steps: number;
}
