import { spawn } from 'node:child_process';

export interface Outcome {
  ok: boolean;
  /** What the step had to say, standard output and error together. */
  output: string;
}

/** Runs a tool of node_modules/.bin and keeps what it prints. */
export const runTool = (tool: string, ...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const child = spawn(`node_modules/.bin/${tool}`, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ ok: false, output: `${tool} did not start: ${error.message}` }));
    child.on('close', (code) => resolve({ ok: code === 0, output: output.trim() }));
  });
