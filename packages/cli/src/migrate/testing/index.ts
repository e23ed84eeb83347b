export { startCaas } from './old-and-new.ts';
export { growOldService } from './old-service.ts';
