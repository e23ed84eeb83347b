export * from './port.ts';
export { openSealedFileKeyVault, type SealedFileOptions } from './sealed-file-key-vault.ts';
export type { TransitOptions } from './transit-key-vault.ts';
