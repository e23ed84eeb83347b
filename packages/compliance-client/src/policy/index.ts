/** What a tenant allows to be said: policies compiled, and texts judged by them. */
export { type Asked, compilePolicy, compilePolicyBeside, type Evaluator, type JudgeOptions } from './compile.ts';
export { JudgeThread } from './judge-thread.ts';
export type { Verdict } from './verdict.ts';
