import { existsSync, readFileSync } from 'node:fs';
import { type Outcome, runTool } from './run-step.ts';

/**
 * The contract that users and other nodes have been promised, as a descriptor image. It is committed: what is promised
 * does not depend on which commits are at hand, and a break stays one until somebody accepts it by name.
 */
export const baselinePath = 'proto/baseline.binpb';

/** Writes the contract of proto/ as an image. */
export const buildContract = (path: string): Promise<Outcome> =>
  runTool('buf', 'build', 'proto', '--as-file-descriptor-set', '--exclude-source-info', '-o', path);

/** What in proto/ breaks the promise; also no promise at all does. */
export const contractBreaks = async (): Promise<Outcome> =>
  existsSync(baselinePath)
    ? await runTool('buf', 'breaking', 'proto', '--against', baselinePath)
    : { ok: false, output: `${baselinePath} is missing: run npm run gen -- --accept-contract` };

/** Compares proto/ with the promise, and the promise with an image of proto/: what was added is promised too. */
export const contractChanges = async (image: string): Promise<Outcome> => {
  const breaks = await contractBreaks();
  if (!breaks.ok) return breaks;
  const built = await buildContract(image);
  if (!built.ok || readFileSync(baselinePath).equals(readFileSync(image))) return built;
  return { ok: false, output: `${baselinePath} lacks what proto/ adds: run npm run gen` };
};
