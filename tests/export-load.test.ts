import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CaasClient } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import { expect, test } from '@jest/globals';
import { KillablePlatform } from './support/killable-platform.ts';
import { signIn } from './support/platform.ts';
import { RawClient } from './support/raw-client.ts';
import { operatorToken } from './support/tenants.ts';

/** The long form: EXPORT_MESSAGES=50000 EXPORT_FILES=100 npm test -- tests/export-load.test.ts */
const messages = Number(process.env['EXPORT_MESSAGES'] ?? 1_500);
const files = Number(process.env['EXPORT_FILES'] ?? 6);
const fileBytes = 1_024 * 1_024;
/** What an export may take of memory beyond what the process holds before it. */
const maxGrowthMiB = 256;

const onLinux = process.platform === 'linux' ? test : test.skip;

/** A line of /proc/<pid>/status, in MiB. */
const memoryOf = async (pid: number, line: 'VmHWM' | 'VmRSS'): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${line}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1_024;
};

onLinux(
  'an export streams in bounded memory, however large it is, and its folder is that of its manifest',
  async () => {
    const limits = { framesPerMinute: 10_000_000, sendsPerSecond: 1_000_000, sendsBurst: 1_000_000 };
    const platform = await KillablePlatform.start({ limits, operatorToken });
    const folder = await mkdtemp(join(tmpdir(), 'caas-export-'));
    try {
      const user = await signIn(platform.where, 'writer');
      const [url] = platform.where.socketUrls as [string];
      const client = await RawClient.open(url, user.accessToken);
      const create = { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'load' };
      const { conversation } = await client.ask({ createConversation: create });
      const { conversationId } = conversation.conversation;
      const uploads = new CaasClient({ urls: [url], getToken: async () => user.accessToken });
      await uploads.connect();
      for (let i = 0; i < files; i += 1) await uploads.upload(randomBytes(fileBytes), { name: `file-${i}.bin` });
      uploads.close();
      for (let sent = 0; sent < messages; sent += 250) {
        const some = Array.from({ length: Math.min(250, messages - sent) }, (_, i) => {
          const content = { text: `message ${sent + i} ${'x'.repeat(150)}` };
          return client.ask({ sendMessage: { conversationId, clientMsgId: `m${sent + i}`, content } }, 30_000);
        });
        for (const { error } of await Promise.all(some)) expect(error).toBeUndefined();
        // What it is told meanwhile is of no use here.
        client.frames.length = 0;
      }
      await until(
        'committed',
        () => client.ask({ getConversation: { conversationId } }),
        (answer) => answer.conversation?.conversation.head.lastSeq >= messages,
        60_000,
      );
      await client.close();

      const caas = async (...args: string[]) => {
        const { complianceAddress } = platform.where;
        const child = spawn(process.execPath, ['-C', '@caas/source', 'packages/cli/src/main.ts', 'privacy', ...args], {
          env: { ...process.env, CAAS_COMPLIANCE_ADDRESS: complianceAddress, CAAS_OPERATOR_TOKEN: operatorToken },
        });
        const [stdout, stderr, [code]] = await Promise.all([
          text(child.stdout),
          text(child.stderr),
          once(child, 'close'),
        ]);
        return { code, stdout, stderr };
      };
      const before = await memoryOf(platform.pid, 'VmRSS');
      // Forgets the greatest size so far.
      await writeFile(`/proc/${platform.pid}/clear_refs`, '5');
      const startedAt = performance.now();
      const out = join(folder, 'export');
      const exported = await caas('export', '--tenant', 'dev', '--user', user.userId, '--out', out);
      expect(exported).toMatchObject({ code: 0 });
      const seconds = (performance.now() - startedAt) / 1_000;
      const peak = await memoryOf(platform.pid, 'VmHWM');
      process.stdout.write(
        `export of ${messages} messages and ${files} files: ${seconds.toFixed(1)} s, ${before.toFixed(0)} MiB before, ${peak.toFixed(0)} MiB at most\n`,
      );
      expect(peak - before).toBeLessThan(maxGrowthMiB);
      expect(await caas('verify', out)).toMatchObject({ code: 0 });
      let lines = 0;
      for (let n = 1; lines < messages; n += 1) {
        const file = await readFile(join(out, 'messages', `${String(n).padStart(6, '0')}.jsonl`), 'utf8');
        for (const line of file.trim().split('\n'))
          expect(JSON.parse(line).content.text).toContain(`message ${lines++} `);
      }
      expect(lines).toBe(messages);
    } finally {
      await platform.remove();
      await rm(folder, { recursive: true, force: true });
    }
  },
  600_000,
);
