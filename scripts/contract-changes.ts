import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { type Outcome, runTool } from './run-step.ts';

/** Output of git, or undefined where it fails: no such commit, no repository. */
const git = (...args: string[]): string | undefined => {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
};

/** The commit the contract must stay compatible with: where this branch left main; on main, the commit before. */
const baseCommit = (): string | undefined => {
  const main =
    git('rev-parse', '--verify', '--quiet', 'main') ?? git('rev-parse', '--verify', '--quiet', 'origin/main');
  const head = git('rev-parse', 'HEAD');
  if (main === undefined || main === head) return git('rev-parse', '--verify', '--quiet', 'HEAD~');
  return git('merge-base', 'HEAD', main);
};

/** Compares proto/ with its state at the base commit. A history that has none yet has nothing to break. */
export const contractChanges = async (): Promise<Outcome> => {
  const base = baseCommit();
  if (base === undefined || !git('ls-tree', base, 'proto')) return { ok: true, output: '' };
  const archive = `.cache/contract-${process.pid}.tar`;
  mkdirSync('.cache', { recursive: true });
  try {
    execFileSync('git', ['archive', '--format=tar', '-o', archive, base, 'proto']);
    return await runTool('buf', 'breaking', 'proto', '--against', `${archive}#subdir=proto`);
  } finally {
    rmSync(archive, { force: true });
  }
};
