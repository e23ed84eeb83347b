import { type ContentPolicy, PolicyAction, type PolicyRule } from '@caas/proto/caas/compliance/v1/policy_service';
import { assertPolicy, refuseField } from './assert-policy.ts';
import { Cover } from './cover.ts';
import { type Folded, fold, seen, spanIn } from './fold.ts';
import {
  basicSteps,
  linkSteps,
  maxNamedRules,
  maxPatternInstructions,
  maxStepsAtOnce,
  personalDataSteps,
} from './limits.ts';
import { linksAgainst } from './links.ts';
import { masked } from './mask.ts';
import { BadPattern, Patterns } from './patterns.ts';
import { personalData } from './personal-data.ts';
import { allowed, type Places, type Span, type Verdict } from './verdict.ts';
import { Words } from './words.ts';

/** What a rule has met. */
type Met = (rule: number, places: Places) => void;
/** A text as it was sent, and as it is compared. */
interface Forms {
  text: string;
  folded: Folded;
  /** For patterns; undefined: as it was sent. */
  seen: Folded | undefined;
}
/** Looks for what one kind of rule looks for. */
interface Finder {
  find(forms: Forms, met: Met): void;
  /** What it costs at most, in steps for each code unit of the folded text. */
  steps: number;
}

export interface JudgeOptions {
  /** Judge as the reviewer does: rules that only ask for review have their action. */
  asReviewer?: boolean;
  /** What judging, and then finding the parts to mask, may cost, in steps; past it the answer is `heavy`. */
  maxSteps?: number;
}

/** Rules that ask for review; what the others say stands already. */
export interface Asked {
  kind: 'review';
  ruleIds: readonly string[];
  /** What the policy says without the review. */
  otherwise: Verdict;
}

/** A policy as texts are judged by it. Pure: the same text, the same verdict. */
export class Evaluator {
  readonly version: number;
  readonly #rules: readonly PolicyRule[];
  readonly #finders: readonly Finder[];
  readonly #steps: number;
  readonly #instructions: number;
  /** About what it takes, in bytes of memory. */
  readonly bytes: number;

  constructor(policy: ContentPolicy, finders: readonly Finder[], instructions: number, bytes: number) {
    this.version = policy.version;
    this.#rules = policy.rules;
    this.#finders = finders;
    this.#steps = finders.reduce((sum, { steps }) => sum + steps, basicSteps);
    this.#instructions = instructions;
    this.bytes = bytes;
  }

  /** The verdict, or that rules ask for review, or `heavy` for a text that may hold up whoever judges it: that is for a thread. */
  judge(text: string, options: JudgeOptions = {}): Verdict | Asked | 'heavy' {
    const { maxSteps = maxStepsAtOnce } = options;
    if (text.length * this.#steps > maxSteps) return 'heavy';
    const forms = { text, folded: fold(text), seen: this.#instructions > 0 ? seen(text) : undefined };
    if (this.#stepsFor(forms) > maxSteps) return 'heavy';
    const met = new Map<number, Places[]>();
    for (const finder of this.#finders)
      finder.find(forms, (rule, places) => {
        const before = met.get(rule);
        if (before) before.push(places);
        else met.set(rule, [places]);
      });
    if (met.size === 0) return allowed;
    const rules = [...met.keys()].sort((a, b) => a - b);
    const isAsking = (rule: number): boolean => !options.asReviewer && this.#rule(rule).remoteReview;
    const verdict = this.#verdict(
      text,
      met,
      rules.filter((rule) => !isAsking(rule)),
      options,
    );
    const asking = rules.filter(isAsking);
    if (verdict === 'heavy' || asking.length === 0 || verdict.kind === 'reject') return verdict;
    return { kind: 'review', ruleIds: this.#idsOf(asking), otherwise: verdict };
  }

  /** Some signs stand for many letters, and patterns look at what is seen too. */
  #stepsFor({ folded, seen }: Forms): number {
    return folded.text.length * this.#steps + (seen?.text.length ?? 0) * (this.#instructions + basicSteps);
  }

  #rule(index: number): PolicyRule {
    return this.#rules[index] as PolicyRule;
  }

  #idsOf(rules: readonly number[]): string[] {
    return rules.slice(0, maxNamedRules).map((rule) => this.#rule(rule).ruleId);
  }

  #verdict(
    text: string,
    met: ReadonlyMap<number, readonly Places[]>,
    rules: readonly number[],
    options: JudgeOptions,
  ): Verdict | 'heavy' {
    const withAction = (action: PolicyAction): number[] => rules.filter((rule) => this.#rule(rule).action === action);
    const rejecting = withAction(PolicyAction.POLICY_ACTION_REJECT);
    const [first] = rejecting;
    if (first !== undefined)
      return { kind: 'reject', ruleIds: this.#idsOf(rejecting), publicReason: this.#rule(first).publicReason };
    const masking = withAction(PolicyAction.POLICY_ACTION_MASK);
    const spans = collected(text, met, masking, options.maxSteps ?? maxStepsAtOnce);
    if (!spans) return 'heavy';
    const holding = withAction(PolicyAction.POLICY_ACTION_HOLD);
    const [held] = holding;
    if (held !== undefined)
      return {
        kind: 'hold',
        ruleIds: this.#idsOf(holding),
        publicReason: this.#rule(held).publicReason,
        text: masked(text, spans),
      };
    if (masking.length > 0) return { kind: 'mask', ruleIds: this.#idsOf(masking), text: masked(text, spans) };
    const flagging = withAction(PolicyAction.POLICY_ACTION_FLAG);
    return flagging.length > 0 ? { kind: 'flag', ruleIds: this.#idsOf(flagging) } : allowed;
  }
}

/** The parts that the rules meet, or undefined when finding them may cost more. */
const collected = (
  text: string,
  met: ReadonlyMap<number, readonly Places[]>,
  rules: readonly number[],
  maxSteps: number,
): Span[] | undefined => {
  if (rules.length === 0) return [];
  const cover = new Cover(text.length);
  const asked = new Set(rules);
  let steps = 0;
  // Rules may share their places.
  for (const places of new Set(rules.flatMap((rule) => met.get(rule) ?? []))) {
    for (const span of places.spans(asked)) {
      cover.add(span);
      steps += places.steps;
      if (steps > maxSteps) return undefined;
    }
  }
  return cover.spans();
};

/** The rules of a kind, by their index. */
const rulesOf = <C extends NonNullable<PolicyRule['match']>['$case']>({ rules }: ContentPolicy, kind: C) =>
  new Map(
    rules.flatMap(({ match }, i) =>
      match?.$case === kind ? [[i, match.value as Extract<PolicyRule['match'], { $case: C }>['value']] as const] : [],
    ),
  );

/**
 * Compiles a policy, in steps of a few milliseconds at most: whoever drives may let others run after each `yield`. Throws
 * INVALID_ARGUMENT that names the field.
 */
export function* compiling(policy: ContentPolicy): Generator<void, Evaluator> {
  assertPolicy(policy);
  const finders: Finder[] = [];
  let bytes = 1_000;
  const lists = rulesOf(policy, 'words');
  if (lists.size > 0) {
    const words = yield* Words.building(new Map([...lists].map(([rule, list]) => [rule, list.words])));
    finders.push({ find: ({ folded }, met) => words.find(folded, met), steps: words.lookups });
    bytes += words.bytes;
  }
  const expressions = rulesOf(policy, 'patterns');
  const patterns = yield* compiledPatterns(policy, expressions);
  if (expressions.size > 0)
    finders.push({
      find: (forms, met) => {
        patterns.find({ text: forms.text, starts: undefined, original: forms.text }, met);
        if (forms.seen) patterns.find(forms.seen, met);
      },
      steps: patterns.instructions,
    });
  finders.push(...simpleFinders(policy));
  // An instruction, and what automata keep of it.
  return new Evaluator(policy, finders, patterns.instructions, bytes + patterns.instructions * 2_000);
}

function* compiledPatterns(
  policy: ContentPolicy,
  lists: ReadonlyMap<number, { patterns: readonly string[] }>,
): Generator<void, Patterns> {
  try {
    const sources = new Map([...lists].map(([rule, { patterns }]) => [rule, patterns]));
    return yield* Patterns.building(sources, maxPatternInstructions);
  } catch (error) {
    if (!(error instanceof BadPattern)) throw error;
    return refuseField(
      policy.rules[error.rule],
      `policy.rules[${error.rule}].patterns.patterns[${error.index}]`,
      error.message,
    );
  }
}

function* simpleFinders(policy: ContentPolicy): Iterable<Finder> {
  for (const [rule, { kinds }] of rulesOf(policy, 'personalData'))
    yield inFolded(rule, (text) => personalData(text, kinds), personalDataSteps);
  for (const [rule, linkRule] of rulesOf(policy, 'links')) yield inFolded(rule, linksAgainst(linkRule), linkSteps);
  for (const [rule, { maxBytes }] of rulesOf(policy, 'length'))
    yield {
      find: ({ text }, met) => {
        if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) met(rule, { spans: () => [], steps: 1 });
      },
      steps: 0,
    };
}

const inFolded = (rule: number, spansIn: (text: string) => readonly Span[], steps: number): Finder => ({
  find: ({ folded }, met) => {
    const spans = spansIn(folded.text);
    if (spans.length > 0)
      met(rule, { spans: () => spans.map(({ start, end }) => spanIn(folded, start, end)), steps: 1 });
  },
  steps,
});

/** Compiles at once, for who may be held up. */
export const compilePolicy = (policy: ContentPolicy): Evaluator => {
  const steps = compiling(policy);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
};

/** How long compiling may hold up the rest, in milliseconds. */
const sliceMs = 2;

/** Compiles and lets others run in between. */
export const compilePolicyBeside = async (policy: ContentPolicy): Promise<Evaluator> => {
  const steps = compiling(policy);
  let until = performance.now() + sliceMs;
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() < until) continue;
    await new Promise((resolve) => setImmediate(resolve));
    until = performance.now() + sliceMs;
  }
};
