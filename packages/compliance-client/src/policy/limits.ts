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
 * What may be judged at once, as code units of the text times instructions of the patterns: a few milliseconds at worst. A
 * text that may cost more is judged in a thread.
 */
export const maxStepsAtOnce = 400_000;
/** The same for finding what to mask, which looks at the rest of the text after each place. */
export const maxMaskingSteps = 400_000;
