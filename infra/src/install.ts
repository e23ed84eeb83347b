import { join } from 'node:path';
import { ConfigError } from '@caas/kit';
import { runCommand } from './command.ts';
import type { Engine, Tool } from './engine.ts';
import { lock } from './lock.ts';

export interface InstallOptions {
  /** True lets apt-get install what the machine lacks. */
  install: boolean;
  onProgress(line: string): void;
}

interface Need {
  engine: Engine;
  isInstalled: boolean;
  lacking: Tool[];
}

const needOf = async (engine: Engine, cacheDir: string): Promise<Need> => {
  const isInstalled = await engine.isInstalled(cacheDir);
  const lacking: Tool[] = [];
  for (const tool of engine.tools)
    if (!(isInstalled && tool.onlyToInstall) && !(await tool.isThere())) lacking.push(tool);
  return { engine, isInstalled, lacking };
};

const packagesOf = (needs: readonly Need[]): string[] => [
  ...new Set(needs.flatMap(({ lacking }) => lacking.map(({ debian }) => debian))),
];

/** What the machine lacks and how to get it; undefined: nothing. */
const complaint = (needs: readonly Need[]): string | undefined => {
  const lines = needs.flatMap(({ engine, lacking }) => lacking.map(({ what }) => `  ${what}, for ${engine.name}`));
  if (lines.length === 0) return undefined;
  return `This machine lacks:\n${lines.join('\n')}\nOn Debian and its like:\n  sudo apt-get install -y ${packagesOf(needs).join(' ')}\nor, as root, npm run infra -- --install does it. Some engines do: npm run infra -- --only NAME,NAME.`;
};

/** Debian starts the servers it installs, on the ports that are meant for ours. */
const aptInstall = async (packages: readonly string[]): Promise<void> => {
  await runCommand('apt-get', ['-q', 'update']);
  const patience = ['-o', 'DPkg::Lock::Timeout=200'];
  await runCommand('apt-get', [...patience, '-q', 'install', '-y', '--no-install-recommends', ...packages]);
  if (packages.includes('redis-server'))
    await runCommand('systemctl', ['disable', '--now', 'redis-server']).catch(() => undefined);
};

/** Brings the engines' pinned versions into the cache. Throws a ConfigError that says what the machine lacks. */
export const installEngines = async (
  engines: readonly Engine[],
  cacheDir: string,
  { install, onProgress }: InstallOptions,
): Promise<void> => {
  const look = (): Promise<Need[]> => Promise.all(engines.map((engine) => needOf(engine, cacheDir)));
  let needs = await look();
  const packages = packagesOf(needs);
  if (install && packages.length > 0) {
    onProgress(`installing ${packages.join(', ')} with apt-get`);
    await aptInstall(packages);
    needs = await look();
  }
  const lacking = complaint(needs);
  if (lacking !== undefined) throw new ConfigError(lacking);

  if (needs.every(({ isInstalled }) => isInstalled)) return;
  const release = await lock(join(cacheDir, 'lock'));
  try {
    for (const { engine } of needs) {
      if (await engine.isInstalled(cacheDir)) continue;
      onProgress(`installing ${engine.name} (once, half a minute)`);
      await engine.install(cacheDir);
    }
  } finally {
    release();
  }
};
