/**
 * Preloaded into one service: on SIGUSR2 its clock jumps by the milliseconds that the file named by CAAS_CLOCK_FILE says. Time
 * that only passes (timers, performance.now) goes on as before, as it does when a machine's clock is set.
 */
import { readFileSync } from 'node:fs';

const trueNow = Date.now;
let shiftMs = 0;
Date.now = () => trueNow() + shiftMs;
process.on('SIGUSR2', () => {
  // biome-ignore lint/style/noProcessEnv: it stands before any configuration
  shiftMs = Number(readFileSync(process.env['CAAS_CLOCK_FILE'] as string, 'utf8'));
});
