import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion, runCommand } from '../command.ts';
import type { Engine } from '../engine.ts';
import { isListening } from '../port-check.ts';

const version = 'v2.5.0';
const home = (cacheDir: string): string => join(cacheDir, `toxiproxy-${version}`);
const binary = (cacheDir: string): string => join(home(cacheDir), 'server');

/** Stands between services and engines and does to their traffic what a bad network does; for the failure suite alone. */
export const toxiproxy: Engine = {
  name: 'toxiproxy',
  users: ['admin'],
  isOnRequest: true,
  ports: { toxiproxy: 8_474 },
  tools: [
    {
      what: 'go 1.19 or later',
      debian: 'golang-go',
      onlyToInstall: true,
      isThere: () => hasVersion('go', ['env', 'GOVERSION'], { from: 1.19 }),
    },
  ],
  isInstalled: async (cacheDir) => existsSync(binary(cacheDir)),
  async install(cacheDir) {
    const draft = join(home(cacheDir), 'draft');
    await mkdir(draft, { recursive: true });
    await runCommand('go', ['install', '-trimpath', `github.com/Shopify/toxiproxy/v2/cmd/server@${version}`], {
      GOBIN: draft,
      CGO_ENABLED: '0',
    });
    await rename(join(draft, 'server'), binary(cacheDir));
  },
  async plan({ cacheDir, ports }) {
    const port = ports['toxiproxy'] as number;
    return [
      {
        name: 'toxiproxy',
        about: `toxiproxy ${version}: bad networks`,
        port,
        command: [binary(cacheDir), '-host', '127.0.0.1', '-port', String(port)],
        isReady: () => isListening(port),
      },
    ];
  },
  env: async ({ ports }) => ({ TOXIPROXY_URL: `http://127.0.0.1:${ports['toxiproxy']}` }),
};
