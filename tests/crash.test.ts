import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaasClient, type Message } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Chance } from './support/chance.ts';
import { check } from './support/checker.ts';
import { Recorder, readHistories } from './support/history.ts';
import { KillablePlatform } from './support/killable-platform.ts';
import { signIn, type TestUser } from './support/platform.ts';

/** What is sent, and how often what dies meanwhile. */
const messages = 10_000;
const users = 20;
const conversations = 10;
const kills = 3;
const services = ['socket-1', 'socket-2', 'persistence'];
/** Messages a client has in its outbox for one conversation. */
const aheadPerConversation = 8;
/** Longest wait for all clients to have everything, in milliseconds. */
const settleMs = 30_000;

interface User {
  name: string;
  signedIn: TestUser;
  sdk: CaasClient;
  recorder: Recorder;
  /** Ids of the user's conversations. */
  conversations: string[];
}

describe('while the platform is killed and its services crash', () => {
  // Run again with the same seed: CAAS_SEED=<seed> npm test -- tests/crash.test.ts
  const chance = Chance.of(process.env['CAAS_SEED']);
  let platform: KillablePlatform;
  let folder: string;
  const everybody: User[] = [];

  beforeAll(async () => {
    process.stdout.write(`crash test: CAAS_SEED=${chance.seed}\n`);
    folder = await mkdtemp(join(tmpdir(), 'caas-histories-'));
    platform = await KillablePlatform.start({
      limits: { sendsPerSecond: 100_000, sendsBurst: 100_000, framesPerMinute: 1_000_000 },
    });
    for (let u = 0; u < users; u++) everybody.push(await aUser(`user-${u}`, u));
  }, 60_000);
  afterAll(async () => {
    for (const { sdk } of everybody) sdk.close();
    await platform?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const clientOf = (signedIn: TestUser, node: number): CaasClient => {
    const urls = platform.where.socketUrls;
    return new CaasClient({
      urls: [urls[node % urls.length] as string, urls[(node + 1) % urls.length] as string],
      getToken: async () => signedIn.accessToken,
      random: () => chance.next(),
      // All of a conversation is kept, so that the whole list can be judged.
      limits: { backoffCapMs: 500, maxWindowMessages: 4 * messages, maxPendingMessages: 4 * messages },
    });
  };

  const aUser = async (name: string, node: number): Promise<User> => {
    const signedIn = await signIn(platform.where, name);
    const sdk = clientOf(signedIn, node);
    const recorder = new Recorder(join(folder, `${name}.jsonl`), signedIn.userId);
    recorder.follow(sdk);
    await sdk.connect();
    return { name, signedIn, sdk, recorder, conversations: [] };
  };

  /** Conversations of 5 to 12 users, so that everybody is in some and nobody in all. */
  const makeConversations = async (): Promise<void> => {
    for (let c = 0; c < conversations; c++) {
      // Everybody is in at least one.
      const sure = everybody.filter((_, u) => u % conversations === c);
      const others = chance.shuffled(everybody.filter((user) => !sure.includes(user)));
      const members = [...sure, ...others.slice(0, chance.whole(3, 10))];
      const { conversation } = await (members[0] as User).sdk.createConversation({
        kind: 'GROUP',
        memberIds: members.slice(1).map((user) => user.signedIn.userId),
        title: `conversation ${c}`,
      });
      const { conversationId } = conversation;
      for (const user of members) {
        user.conversations.push(conversationId);
        user.recorder.write({ client: user.signedIn.userId, event: 'member', conversation: conversationId });
        user.sdk.conversation(conversationId);
      }
    }
  };

  /** Who sends how many where: dealt out at random. */
  const deal = (): Map<string, { user: User; conversation: string; count: number }> => {
    const lanes = new Map<string, { user: User; conversation: string; count: number }>();
    for (let m = 0; m < messages; m++) {
      const user = everybody[chance.whole(0, users - 1)] as User;
      const conversation = user.conversations[chance.whole(0, user.conversations.length - 1)] as string;
      const name = `${user.name} ${conversation}`;
      const lane = lanes.get(name) ?? { user, conversation, count: 0 };
      lane.count++;
      lanes.set(name, lane);
    }
    return lanes;
  };

  test('10,000 messages of 20 users are each kept once, in one order, without gaps, and all lists agree', async () => {
    await makeConversations();
    let accepted = 0;
    let handedOver = 0;
    /** Messages that may be handed over before the next thing dies: so that all of them do while messages are under way. */
    let allowed = 0;
    const startedAt = Date.now();

    const sendAll = async (user: User, conversation: string, count: number): Promise<void> => {
      const underWay = new Set<Promise<void>>();
      for (let i = 0; i < count; i++) {
        while (handedOver >= allowed) await pause(5);
        handedOver++;
        const text = `${user.name} says ${i} in ${conversation} ${chance.next()}`;
        const sent = user.recorder.send(user.sdk, conversation, `${i}-${chance.whole(0, 1e9)}`, text).then(() => {
          accepted++;
        });
        const settled = sent.finally(() => underWay.delete(settled));
        underWay.add(settled);
        if (underWay.size >= aheadPerConversation) await Promise.race(underWay);
      }
      await Promise.all(underWay);
    };

    const disturb = async (): Promise<string[]> => {
      const deeds = Array.from({ length: kills }, () => [...chance.shuffled(services), 'kill']).flat();
      const told: string[] = [];
      for (const [i, deed] of deeds.entries()) {
        const due = ((i + chance.next()) / deeds.length) * 0.95 * messages;
        allowed = due + chance.whole(100, 500);
        await until(
          'progress',
          () => accepted,
          (n) => n >= due,
          60_000,
        );
        await pause(chance.whole(0, 10));
        const from = accepted;
        if (deed === 'kill') await platform.kill();
        else await platform.crash(deed);
        await pause(chance.whole(0, 300));
        if (deed === 'kill') await platform.start();
        else await platform.restart(deed);
        told.push(`${deed} at ${from}`);
      }
      allowed = messages;
      return told;
    };

    const [disturbed] = await Promise.all([
      disturb(),
      ...[...deal().values()].map(({ user, conversation, count }) => sendAll(user, conversation, count)),
    ]);
    const sentMs = Date.now() - startedAt;

    // Judged in any case: the checker says better than a timeout what is wrong.
    await until('all clients are where the others are', agreement, Boolean, settleMs).catch(() => undefined);
    const settledMs = Date.now() - startedAt;
    for (const user of everybody) await recordLists(user);
    await Promise.all(everybody.map(({ recorder }) => recorder.close()));

    const entries = await readHistories(everybody.map(({ recorder }) => recorder.file));
    const stats = everybody.map(({ sdk }) => sdk.stats());
    const total = (name: 'reconnects' | 'resyncs' | 'duplicates' | 'divergences') =>
      stats.reduce((sum, s) => sum + s[name], 0);
    process.stdout.write(
      `crash test: ${disturbed.join(', ')}; ${accepted} accepted in ${sentMs} ms, agreed after ${settledMs} ms; ` +
        `${total('reconnects')} reconnects, ${total('resyncs')} deltas, ${total('duplicates')} repeats ignored, ` +
        `${entries.length} lines judged\n`,
    );
    const violations = check(entries);
    if (violations.length > 0)
      await writeFile(join(tmpdir(), `caas-crash-${chance.seed}.json`), JSON.stringify(violations));
    expect({ seed: chance.seed, violations }).toEqual({ seed: chance.seed, violations: [] });
    expect(accepted).toBe(messages);
    expect(total('divergences')).toBe(0);
    for (const s of stats) expect(s).toMatchObject({ pending: 0, outbox: 0 });
  }, 180_000);

  /** Whether every member's list stands where every other's does, with nothing pending. */
  const agreement = (): boolean => {
    const heads = new Map<string, string>();
    for (const { sdk, conversations: own } of everybody) {
      if (sdk.state !== 'online' || sdk.stats().pending > 0) return false;
      for (const id of own) {
        const { lastSeq, digest } = sdk.conversation(id).head;
        const head = `${lastSeq} ${digest}`;
        if ((heads.get(id) ?? head) !== head) return false;
        heads.set(id, head);
      }
    }
    const held = [...heads.values()].reduce((sum, head) => sum + Number.parseInt(head, 10), 0);
    return held >= messages;
  };

  /** What the user's client holds, and what history answers a client that begins anew. */
  const recordLists = async ({ sdk, signedIn, recorder, conversations: own }: User): Promise<void> => {
    const fresh = clientOf(signedIn, chance.whole(0, 1));
    await fresh.connect();
    for (const id of own) {
      recorder.list('live', sdk.conversation(id).messages(), id, sdk.conversation(id).head);
      const { conversation } = await fresh.getConversation(id);
      const read: Message[] = [];
      for await (const message of fresh.conversation(id).history({ afterSeq: 0, pageSize: 200 })) read.push(message);
      recorder.list('history', read, id, conversation.head ?? { lastSeq: 0, digest: '' });
    }
    fresh.close();
  };
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
