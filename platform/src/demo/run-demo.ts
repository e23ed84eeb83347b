import { CaasClientError } from '@caas/client';
import { untilSignal } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { DemoError } from './demo-error.ts';
import { distributedHost } from './distributed-host.ts';
import { findHost, type Host, ownHost } from './host.ts';
import { journey } from './journey.ts';
import { Side, signIn } from './side.ts';
import { Table } from './table.ts';
import { talk } from './talk.ts';
import { assertAgreed, reportOf } from './verdict.ts';

/** The talk ends after this time, done or not, ms. */
const boundMs = 30_000;
/** Services as processes start within this time, ms; the embedded platform within `boundMs`. */
const startBoundMs = 60_000;

/** Exit code of a process that was interrupted. */
const interruptedCode = 130;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Shows it, and ends the process with 0 when both saw the same, else with 1 and the reason. */
export const runDemo = async ({ distributed }: { distributed: boolean }): Promise<void> => {
  let bound = endWithin(distributed ? startBoundMs : boundMs);
  let host: Host | undefined;
  const interrupted = new Promise<never>((_, reject) =>
    untilSignal().addEventListener('abort', () => {
      // While the host starts there is nothing to close: what was begun ends with the process.
      if (!host) process.exit(interruptedCode);
      reject(new DemoError('interrupted'));
    }),
  );
  interrupted.catch(() => undefined);
  try {
    host = distributed ? await distributedHost() : await findHost();
    clearTimeout(bound);
    bound = endWithin(boundMs);
    print(`Platform: ${host.told}\n`);
    await Promise.race([show(host), interrupted]);
    clearTimeout(bound);
    bound = endWithin(boundMs);
    await Promise.race([follow(host), interrupted]);
    process.exitCode = 0;
  } catch (error) {
    tell(error);
    process.exitCode = 1;
  }
  await host?.close().catch(tell);
  clearTimeout(bound);
  process.exit();
};

const show = async ({ access, disturb }: Host): Promise<void> => {
  const table = new Table(print);
  const [alice, bob] = await Promise.all([signIn(access, 'alice'), signIn(access, 'bob')]);
  const sides = [new Side('alice', 0, alice, table), new Side('bob', 1, bob, table)] as const;
  try {
    table.head('alice saw', 'bob saw');
    await Promise.all(sides.map(({ client }) => client.connect()));
    const talked = await talk(...sides, table, disturb);
    table.section('What was sent');
    for (const line of reportOf(talked, sides)) print(line);
    table.section('Where both stand');
    for (const [i, { head }] of talked.views.entries())
      print(`  ${sides[i]?.name.padEnd(6)} ${head.lastSeq} messages, digest ${head.digest}`);
    assertAgreed(talked);
    print(`\nBoth saw all ${talked.sent.length} messages in one order, and the digests agree.`);
  } finally {
    for (const { client } of sides) client.close();
  }
};

/** Follows a trace id; where the platform's records are another process's, on a platform of the demo's own. */
const follow = async (host: Host): Promise<void> => {
  if (host.records) return journey(host, host.records, print);
  print('\nWhat that platform keeps is its own process’s to read, so a trace id is followed on one of the demo’s own.');
  const own = await ownHost();
  try {
    await journey(own, own.records ?? {}, print);
  } finally {
    await own.close();
  }
};

/** Plain words for what is expected to go wrong, the stack for what is not. */
const tell = (error: unknown): void => {
  const plain = error instanceof DemoError || error instanceof ConfigError || error instanceof CaasClientError;
  const text = plain ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`\nThe demo failed: ${text}\n`);
};

const endWithin = (ms: number): NodeJS.Timeout => setTimeout(() => fail(new DemoError(`not done within ${ms} ms`)), ms);

const fail = (error: unknown): never => {
  tell(error);
  process.exit(1);
};
