import { LatencyRecorder, type LatencySummary } from './latency.ts';
import type { Member } from './member.ts';
import { untilPersisted, verifyHistory } from './persisted.ts';
import { median, round } from './report.ts';
import { SendTemplate } from './send-template.ts';
import type { Conversation, Target } from './target.ts';
import { type Cost, measureCost, pause, until } from './window.ts';

const bodyBytes = 200;
const warmUpMs = 1_000;
/** 64 senders: 8 conversations of 8. */
const shape = { conversations: 8, members: 8, nodes: 2 };

export interface Window extends LatencySummary {
  perSecond: number;
  /** Until all that was accepted was persisted too. */
  sustainedPerSecond: number;
  drainMs: number;
  cpuPerThousand: number;
  generatorPerThousand: number;
  cost: Cost;
  headsPerMessage: number;
}

/** 64 clients, each of which sends again when its last message was accepted. */
export class ClosedLoop {
  readonly target: Target;
  readonly conversations: Conversation[];
  readonly accepted: number[];
  readonly latency = new LatencyRecorder();
  #running = false;
  #inFlight = 0;
  readonly #kick: (() => void)[] = [];

  constructor(target: Target, conversations: Conversation[]) {
    this.target = target;
    this.conversations = conversations;
    this.accepted = conversations.map(() => 0);
    for (const [c, conversation] of conversations.entries())
      for (const [m, member] of conversation.members.entries()) this.#drive(member, c, conversation.id, `m${m}`);
  }

  get total(): number {
    return this.accepted.reduce((sum, n) => sum + n, 0);
  }

  start(): void {
    this.#running = true;
    for (const kick of this.#kick) kick();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await until('answers to the last sends', () => this.#inFlight === 0);
  }

  /** Every member has what was sent. */
  delivered(): Promise<void> {
    return until('deliveries', () =>
      this.conversations.every(
        ({ tally, members }, c) => tally.deliveries >= (this.accepted[c] as number) * members.length,
      ),
    );
  }

  #drive(member: Member, c: number, conversationId: string, sender: string): void {
    const template = new SendTemplate(conversationId, sender, bodyBytes);
    let id = 0;
    let sentAt = 0;
    const next = (): void => {
      sentAt = performance.now();
      this.#inFlight++;
      member.socket.write(template.fill(++id, sentAt));
    };
    member.onAccepted = () => {
      this.latency.record(performance.now() - sentAt);
      this.accepted[c] = (this.accepted[c] as number) + 1;
      this.#inFlight--;
      if (this.#running) next();
    };
    this.#kick.push(next);
  }
}

export const openLoop = async (target: Target): Promise<ClosedLoop> =>
  new ClosedLoop(target, await target.populate(shape));

export const sendWindow = async (loop: ClosedLoop, seconds: number): Promise<Window> => {
  const { server } = loop.target;
  loop.start();
  await pause(warmUpMs);
  const heads = (): number => loop.conversations.reduce((sum, { tally }) => sum + tally.heads, 0);
  const before = { total: loop.total, heads: heads() };
  loop.latency.reset();
  const ended = await measureCost(server);
  await pause(seconds * 1_000);
  const during = loop.total - before.total;
  const latency = loop.latency.summary();
  const cost = await ended();
  const stoppedAt = performance.now();
  await loop.stop();
  await loop.delivered();
  if (loop.target.name === 'caas') await untilPersisted(loop.conversations, (c) => loop.accepted[c] as number);
  const drainMs = performance.now() - stoppedAt;
  const all = await ended();
  const total = loop.total - before.total;
  return {
    ...latency,
    perSecond: during / cost.seconds,
    sustainedPerSecond: total / all.seconds,
    drainMs,
    cpuPerThousand: (all.serverCpuSeconds / total) * 1_000,
    generatorPerThousand: (all.generatorCpuSeconds / total) * 1_000,
    cost,
    headsPerMessage: (heads() - before.heads) / total / shape.members,
  };
};

export const rowOf = (name: string, windows: readonly Window[]) => {
  const of = (pick: (w: Window) => number): number => round(median(windows.map(pick)), 4);
  return {
    target: name,
    'acked/s': Math.round(of((w) => w.perSecond)),
    'p50 ms': of((w) => w.p50Ms),
    'p99 ms': of((w) => w.p99Ms),
    'CPU s/1000': of((w) => w.cpuPerThousand),
    'generator CPU s/1000': of((w) => w.generatorPerThousand),
    'drain ms': Math.round(of((w) => w.drainMs)),
    'with drain/s': Math.round(of((w) => w.sustainedPerSecond)),
  };
};

/** Reads all that was accepted back; answers how much that was. */
export const verifyAll = async ({ conversations, total }: ClosedLoop): Promise<number> => {
  let verified = 0;
  for (const conversation of conversations) verified += await verifyHistory(conversation);
  if (verified !== total) throw new Error(`${total} accepted, ${verified} in the histories`);
  return verified;
};
