#!/usr/bin/env -S node -C @caas/source
/** The command line: `caas --help`. */
import { runMain } from '@caas/kit';
import { program } from './program.ts';

await runMain(async (signal) => {
  const code = await program(process.argv.slice(2), signal);
  if (code !== 0) process.exit(code);
});
