/** Judges by policies it keeps in step with compliance. */
export { type Judgement, PolicyClient, type PolicyClientOptions } from './policy-client.ts';
export type { PolicySource } from './stand-in.ts';
