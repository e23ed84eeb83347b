/**
 * `npm run test:engines -- [--only redis,kafka] [what jest takes]`: starts the engines on free ports with empty data, runs
 * the tests that need them, stops the engines.
 */
import { spawn } from 'node:child_process';
import { runMain } from '@caas/kit';
import { enginesIn, startEngines } from './start-engines.ts';

const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];

/** Runs jest until its end, or the signal's; answers its exit code. */
const runJest = (args: readonly string[], env: Readonly<Record<string, string>>, signal: AbortSignal) =>
  new Promise<number>((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['-C', '@caas/source', ...jest, '--config', 'jest.engines.config.js', ...args],
      { stdio: 'inherit', env: { ...process.env, ...env } },
    );
    signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });

await runMain(async (signal) => {
  const [first, list = '', ...rest] = process.argv.slice(2);
  const chosen = first === '--only' ? { only: enginesIn(list) } : {};
  const install = process.argv.includes('--install');
  const args = first === '--only' ? rest : process.argv.slice(2);
  const engines = await startEngines({
    ...chosen,
    dataDir: '.cache/infra-tests',
    ports: 'free',
    fresh: true,
    install,
    onProgress: (line) => process.stdout.write(`${line}\n`),
    onLost: (how) => process.stderr.write(`${how}\n`),
  });
  const code = await runJest(
    args.filter((arg) => arg !== '--install'),
    engines.env,
    signal,
  ).finally(() => engines.stop());
  if (code !== 0) process.exit(code);
});
