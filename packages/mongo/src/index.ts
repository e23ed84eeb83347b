export * from './bulk.ts';
export * from './create.ts';
export * from './database.ts';
export * from './engine.ts';
export { duplicateKey, immutableField } from './errors.ts';
export * from './indexes.ts';
export * from './keys.ts';
