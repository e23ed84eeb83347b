/** Data keys of users and what is sealed under them; `@caas/compliance-client/keys`. */
export { type ReadContent, readContents, readHeldContents, type StandingContent } from './content-reader.ts';
export type { HeldKey } from './held-keys.ts';
export { type KeyOutcome, KeyRing, type KeyRingOptions, type KeySource } from './key-ring.ts';
export { type KeySourceOptions, keySource } from './key-source.ts';
export { type ContentPlace, encodeContent, openContent, sealBytes, sealContent } from './sealed-content.ts';
