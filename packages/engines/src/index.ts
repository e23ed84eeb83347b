export * from './open.ts';
export { allOrNone, type EngineSettings, enginesOf, engineVariables } from './settings.ts';
