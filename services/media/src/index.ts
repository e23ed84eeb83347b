export { createMedia, type MediaPorts, type MediaService } from './app.ts';
export { type MediaConfig, mediaConfig } from './config.ts';
