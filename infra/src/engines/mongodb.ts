import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion, runCommand } from '../command.ts';
import type { Engine } from '../engine.ts';
import { isListening } from '../port-check.ts';

const version = '0.7.0b3';
const requirements = join(import.meta.dirname, '../../mongodb/requirements.txt');
const home = (cacheDir: string): string => join(cacheDir, `secantus-${version}`);
/** Written last, so that a half-made environment is made anew. */
const mark = (cacheDir: string): string => join(home(cacheDir), 'complete');

/**
 * SecantusDB, a stand-in for MongoDB: the wire protocol over MongoDB's own storage engine. Beta software of one project
 * and under the GPL, so a process for tests and development and nothing else; no user, no password.
 */
export const mongodb: Engine = {
  name: 'mongodb',
  users: ['admin', 'auth', 'socket', 'persistence', 'compliance', 'crypto', 'media', 'search'],
  ports: { mongodb: 27_017 },
  tools: [
    {
      what: 'python3 3.11 to 3.13 with venv',
      debian: 'python3-venv',
      isThere: () =>
        hasVersion('python3', ['-c', 'import ensurepip, sys; print("%d.%02d" % sys.version_info[:2])'], {
          from: 3.11,
          below: 3.14,
        }),
    },
  ],
  isInstalled: async (cacheDir) => existsSync(mark(cacheDir)),
  async install(cacheDir) {
    await runCommand('python3', ['-m', 'venv', '--clear', home(cacheDir)]);
    const pip = join(home(cacheDir), 'bin/pip');
    await runCommand(pip, ['install', '--quiet', '--only-binary', ':all:', '--no-deps', '-r', requirements]);
    await writeFile(mark(cacheDir), '');
  },
  async plan({ cacheDir, dataDir, ports }) {
    const port = ports['mongodb'] as number;
    await mkdir(dataDir, { recursive: true });
    return [
      {
        name: 'mongodb',
        about: `SecantusDB ${version}, a stand-in: messages, conversations, accounts`,
        port,
        command: [
          join(home(cacheDir), 'bin/secantusd-py'),
          ...['--host', '127.0.0.1', '--port', String(port)],
          ...['--storage-path', dataDir, '--log-level', 'WARNING'],
        ],
        isReady: () => isListening(port),
      },
    ];
  },
  env: async ({ ports }) => ({ MONGODB_URL: `mongodb://127.0.0.1:${ports['mongodb']}/` }),
};
