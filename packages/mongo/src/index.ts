export * from './bulk.ts';
export * from './engine.ts';
export { duplicateKey, immutableField, isDuplicate } from './errors.ts';
export * from './indexes.ts';
export * from './keys.ts';
