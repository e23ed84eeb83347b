/** What the options of proto/ say, ready to be applied; `@caas/kit/contract`. */
export { limitsOf } from './limits.ts';
export { limitOf, nestedType } from './options.ts';
export { type MethodPolicy, policyOf } from './rules.ts';
export { plainKey, sensitiveNames } from './sensitive-names.ts';
