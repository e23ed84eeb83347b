import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startCrypto } from '@caas/crypto/testing';
import { openSqliteMessageStore } from '@caas/message-store';
import type { Chance } from '../support/chance.ts';
import { KillablePlatform } from '../support/killable-platform.ts';
import { anotherTenant, operatorToken } from '../support/tenants.ts';
import { pause } from './pause.ts';
import type { Target } from './world.ts';

/** Room of its disk, in bytes. */
const diskBytes = 64 * 1024 * 1024;

/** `npm start` in a process of its own, on a small disk. */
export interface Embedded extends Target {
  readonly platform: KillablePlatform;
  stop(): Promise<void>;
}

export type EmbeddedFault = (embedded: Embedded, chance: Chance) => Promise<void>;

/** Mounts its disk in memory, which takes root. */
export const startEmbedded = async (dir: string): Promise<Embedded> => {
  const dataDir = resolve(dir, 'disk');
  await mkdir(dataDir, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes},mode=0700`, 'caas-failure', dataDir]);
  const end = async (platform?: KillablePlatform): Promise<void> => {
    await platform?.kill();
    execFileSync('umount', [dataDir]);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const platform = await KillablePlatform.start({
      dataDir,
      operatorToken,
      limits: { sendsPerSecond: 1_000, sendsBurst: 10_000, framesPerMinute: 60_000, maxConnections: 100 },
    });
    return {
      platform,
      get gatewayUrl() {
        return platform.where.gatewayUrl;
      },
      get socketUrls() {
        return platform.where.socketUrls;
      },
      createApp: async (tenantId) =>
        (await anotherTenant(platform.where, tenantId)).app as { appId: string; appSecret: string },
      openStore: async () => {
        // The files are one process's.
        await platform.stop();
        const store = await openSqliteMessageStore({ file: join(dataDir, 'messages.db') });
        const crypto = await startCrypto(dataDir);
        const close = async (): Promise<void> => {
          await crypto.stop();
          await store.close();
        };
        return { store, keys: crypto.socket, close };
      },
      stop: () => end(platform),
    };
  } catch (thrown) {
    await end();
    throw thrown;
  }
};

/** The disk is full for some seconds: the log, the store and the accounts can't be written. */
export const diskFull: EmbeddedFault = async ({ platform }, chance) => {
  const file = join(platform.dataDir, 'ballast');
  fill(file);
  await pause(chance.whole(4_000, 7_000));
  await rm(file);
};

/** Writes until nothing more goes in. */
const fill = (file: string): void => {
  const ballast = openSync(file, 'w');
  try {
    for (let size = 1024 * 1024; size >= 1; ) {
      try {
        writeSync(ballast, Buffer.alloc(size));
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(ballast);
  }
};

/** SIGKILL of the one process, and a start on what it left. */
export const platformKilled: EmbeddedFault = async ({ platform }, chance) => {
  await platform.kill();
  await pause(chance.whole(0, 1_000));
  await platform.start();
};
