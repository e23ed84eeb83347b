export { createSearch, type SearchPorts, type SearchServer, searchGroup } from './app.ts';
export { type SearchConfig, searchConfig } from './config.ts';
