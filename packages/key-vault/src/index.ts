export * from './port.ts';
export {
  isSealedByAnother,
  type RootKey,
  rootKeyFrom,
  rootKeyFromFile,
} from './root-key.ts';
export { openSealedFileKeyVault, type SealedFileOptions } from './sealed-file-key-vault.ts';
export type { TransitOptions } from './transit-key-vault.ts';
