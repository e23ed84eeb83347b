export * from './open.ts';
export * from './settings.ts';
