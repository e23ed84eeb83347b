import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type OldAndNew, openOldAndNew, startCaas } from './testing/old-and-new.ts';
import { growOldService } from './testing/old-service.ts';

/** MIGRATE_MESSAGES=100000 for the full size. */
const messages = Number(process.env['MIGRATE_MESSAGES'] ?? 10_000);
const conversations = Math.max(40, messages / 250);
const seed = Number(process.env['MIGRATE_SEED'] ?? Date.now() % 1_000_000);
const minute = 60_000;

let sides: OldAndNew;
beforeAll(async () => {
  process.stdout.write(`migration of ${messages} messages, MIGRATE_SEED=${seed}\n`);
  sides = await openOldAndNew('import');
  await growOldService(sides.old.db, { tenantId: 'acme', messages, conversations, users: 60, seed });
}, 5 * minute);
afterAll(() => sides.close());

const migrated = (): Promise<number> => sides.old.db.collection('caas_migrated_conversations').countDocuments();

/** Runs the import until it has brought over a share of the conversations, then kills it there. */
const killAt = async (share: number): Promise<void> => {
  const run = startCaas(['migrate', '--tenant', 'acme'], sides.env);
  while ((await migrated()) < conversations * share) {
    if (run.hasEnded()) throw new Error(`it ended before it could be killed: ${(await run.finished).output}`);
    await sleep(2);
  }
  await run.kill();
};

test(
  'an import that is killed three times and run again brings everything, once and in order',
  async () => {
    const startedAtMs = performance.now();
    for (const share of [0.2, 0.5, 0.8]) await killAt(share);
    expect(await migrated()).toBeLessThan(conversations);
    const { code, output } = await startCaas(['migrate', '--tenant', 'acme'], sides.env).finished;
    expect(output).toMatch(/ 0 live in CAAS, 0 odd/);
    expect(code).toBe(0);
    const importedAtMs = performance.now();
    const verified = await startCaas(['migrate', '--tenant', 'acme', '--verify'], sides.env).finished;
    expect(verified.output).toContain(`${conversations} conversations, ${messages} messages`);
    expect(verified.output).toMatch(/^equal$/m);
    expect(verified.code).toBe(0);
    const seconds = [importedAtMs - startedAtMs, performance.now() - importedAtMs].map((ms) => (ms / 1_000).toFixed(1));
    process.stdout.write(`imported in four runs in ${seconds[0]} s, verified in ${seconds[1]} s\n`);
  },
  10 * minute,
);
