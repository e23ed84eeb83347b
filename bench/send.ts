import { LatencyRecorder, type LatencySummary } from './lib/latency.ts';
import type { Member } from './lib/member.ts';
import type { Bench, BenchOptions } from './lib/options.ts';
import { untilPersisted, verifyHistory } from './lib/persisted.ts';
import { profiled } from './lib/profiled.ts';
import { median, type Report, round } from './lib/report.ts';
import { SendTemplate } from './lib/send-template.ts';
import { ServerProcess } from './lib/server-process.ts';
import { type Conversation, close, startCaas, startWs, type Target } from './lib/target.ts';
import { type Cost, measureCost, pause, threadShares, until } from './lib/window.ts';

const bodyBytes = 200;
const warmUpMs = 1_000;
/** 64 senders: 8 conversations of 8. */
const shape = { conversations: 8, members: 8, nodes: 2 };

interface Window extends LatencySummary {
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
class ClosedLoop {
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

const open = async (target: Target): Promise<ClosedLoop> => new ClosedLoop(target, await target.populate(shape));

const window = async (loop: ClosedLoop, seconds: number): Promise<Window> => {
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

interface LogFigures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  cpuSeconds: number;
  measured: number;
}

const logWindow = async (seconds: number): Promise<LogFigures> => {
  const server = await ServerProcess.start<LogFigures>('log', {
    env: { BENCH_APPENDERS: '64', BENCH_CONVERSATIONS: '8', BENCH_SECONDS: String(seconds) },
  });
  await server.stop();
  return server.info;
};

const rowOf = (name: string, windows: readonly Window[]) => {
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

/** Durable sends of 64 clients in a closed loop over two nodes, against a `ws` server that keeps nothing. */
export const send: Bench = async (options: BenchOptions): Promise<Report> => {
  const targets = await Promise.all([startWs(), startCaas()]);
  const [ws, caas] = (await Promise.all(targets.map(open))) as [ClosedLoop, ClosedLoop];
  const windows = { ws: [] as Window[], caas: [] as Window[], log: [] as LogFigures[] };
  for (let round = 0; round < options.rounds; round++) {
    windows.ws.push(await window(ws, options.seconds));
    windows.caas.push(await window(caas, options.seconds));
    windows.log.push(await logWindow(options.seconds));
  }
  const notes: string[] = [];
  if (options.profile) {
    notes.push(await profiled(caas.target.server, 'send', () => window(caas, options.seconds)));
  }
  let verified = 0;
  for (const conversation of caas.conversations) verified += await verifyHistory(conversation);
  if (verified !== caas.total) throw new Error(`${caas.total} accepted, ${verified} in the histories`);
  for (const { target, conversations } of [ws, caas]) await close(target, conversations);

  const ratio = (pick: (w: Window) => number): number =>
    median(windows.caas.map((w, i) => pick(w) / pick(windows.ws[i] as Window)));
  const logOf = (pick: (w: LogFigures) => number): number => round(median(windows.log.map(pick)), 4);
  const last = windows.caas.at(-1) as Window;
  return {
    bench: 'send',
    rows: [
      rowOf('ws, keeps nothing', windows.ws),
      rowOf('caas, durable', windows.caas),
      {
        target: 'event log alone',
        'acked/s': Math.round(logOf((w) => w.perSecond)),
        'p50 ms': logOf((w) => w.p50Ms),
        'p99 ms': logOf((w) => w.p99Ms),
        'CPU s/1000': logOf((w) => (w.cpuSeconds / w.measured) * 1_000),
      },
    ],
    ratios: [
      { name: 'acked rate to ws', value: ratio((w) => w.perSecond), mark: { atLeast: 1.2 } },
      { name: 'with persisting', value: ratio((w) => w.sustainedPerSecond), mark: { atLeast: 1.2 } },
      { name: 'p50 to ws', value: ratio((w) => w.p50Ms), mark: { atMost: 1 } },
      { name: 'CPU to ws', value: ratio((w) => w.cpuPerThousand) },
      {
        name: 'acked rate to log',
        value: median(windows.caas.map((w, i) => w.perSecond / (windows.log[i] as LogFigures).perSecond)),
      },
    ],
    notes: [
      `${verified} messages read back: seq without gap, digests equal`,
      `acked/s by round: ws ${windows.ws.map((w) => Math.round(w.perSecond)).join(' ')}; caas ${windows.caas.map((w) => Math.round(w.perSecond)).join(' ')}`,
      `threads of caas: ${threadShares(last.cost)}; heads a message and member: ${round(last.headsPerMessage)}`,
      ...notes,
    ],
  };
};
