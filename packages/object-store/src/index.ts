export { openFolderObjectStore } from './folder-object-store.ts';
export { objectKey, objectPrefix } from './keys.ts';
export * from './port.ts';
