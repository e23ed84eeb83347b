/** Bounds of a policy beyond those of its contract, each with its unit: what one may cost whoever judges by it. */

/** Words of all rules together. */
export const maxPolicyWords = 10_000;
/** Patterns of all rules together. */
export const maxPolicyPatterns = 100;
/** Instructions the patterns of a policy compile to, together. */
export const maxPatternInstructions = 10_000;
/** Rules a verdict names. */
export const maxNamedRules = 20;
/**
 * What may be judged at once, in steps of some 10 ns, which are counted as code units of the text times what the policy does
 * with each at worst: a few milliseconds. Finding what to mask is counted anew, since patterns may look at the rest of the
 * text after each place. A text that may cost more is judged in a thread.
 */
export const maxStepsAtOnce = 400_000;
/** Steps for each code unit: of any policy, and of each rule for personal data or links. Those of a pattern are its instructions. */
export const basicSteps = 20;
export const personalDataSteps = 40;
export const linkSteps = 80;
