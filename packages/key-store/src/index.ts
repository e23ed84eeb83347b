export { dataKeyId, dataKeyOf, userKeysName } from './names.ts';
export * from './port.ts';
export { openSqliteKeyStore } from './sqlite-key-store.ts';
