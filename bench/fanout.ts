import { LatencyRecorder, type LatencySummary } from './lib/latency.ts';
import type { Member } from './lib/member.ts';
import type { Bench, BenchOptions } from './lib/options.ts';
import { untilPersisted, verifyHistory } from './lib/persisted.ts';
import { profiled } from './lib/profiled.ts';
import { median, type Ratio, type Report, round } from './lib/report.ts';
import { SendTemplate } from './lib/send-template.ts';
import { type Conversation, close, startCaas, startWs, type Target } from './lib/target.ts';
import { type Cost, measureCost, pause, threadShares, until } from './lib/window.ts';

const bodyBytes = 200;
const membersEach = 100;
const warmUpMs = 1_000;
const defaultInFlight = 32;
/** Rate of the open loop. */
const deliveriesPerSecond = 10_000;
/** One member in so many tells the age of what it gets. */
const sampledEvery = 25;

interface Window extends LatencySummary {
  deliveriesPerSecond: number;
  cpuPerMillion: number;
  generatorPerMillion: number;
  headsPerMessage: number;
  cost: Cost;
}

/** One conversation and the one who sends in it. */
class Stream {
  readonly conversation: Conversation;
  sent = 0;
  accepted = 0;
  readonly #sender: Member;
  readonly #template: SendTemplate;

  constructor(conversation: Conversation) {
    this.conversation = conversation;
    this.#sender = conversation.members[0] as Member;
    this.#template = new SendTemplate(conversation.id, 'sender', bodyBytes);
    this.#sender.onAccepted = () => this.accepted++;
  }

  get expected(): number {
    return this.sent * this.conversation.members.length;
  }

  get settled(): boolean {
    return this.accepted === this.sent && this.conversation.tally.deliveries >= this.expected;
  }

  send(count: number): void {
    const { socket } = this.#sender;
    socket.cork();
    // Copied: a corked frame is written when the next one has already been made.
    for (let i = 0; i < count; i++) socket.write(Buffer.from(this.#template.fill(++this.sent, performance.now())));
    socket.uncork();
  }
}

class Load {
  readonly target: Target;
  readonly streams: Stream[];
  readonly age = new LatencyRecorder();

  constructor(target: Target, conversations: readonly Conversation[]) {
    this.target = target;
    this.streams = conversations.map((conversation) => new Stream(conversation));
    for (const { members } of conversations)
      for (const [m, member] of members.entries()) if (m % sampledEvery === 1) member.deliveryAge = this.age;
  }

  get deliveries(): number {
    return this.streams.reduce((sum, { conversation }) => sum + conversation.tally.deliveries, 0);
  }

  get heads(): number {
    return this.streams.reduce((sum, { conversation }) => sum + conversation.tally.heads, 0);
  }

  /** At a steady rate, whatever the server does. Ends by the function it returns. */
  openLoop(messagesPerSecond: number): () => void {
    const startedAt = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) / 1_000) * messagesPerSecond);
      for (; sent < due; sent++) this.streams[sent % this.streams.length]?.send(1);
    }, 1);
    return () => clearInterval(timer);
  }

  /** Keeps `inFlight` messages a conversation under way: one counts until all members have it. */
  closedLoop(inFlight: number): () => void {
    let running = true;
    for (const stream of this.streams) {
      const { conversation } = stream;
      const members = conversation.members.length;
      const refill = (): void => {
        if (!running) return;
        const complete = Math.min(Math.floor(conversation.tally.deliveries / members), stream.accepted);
        const room = inFlight - (stream.sent - complete);
        if (room > 0) stream.send(room);
      };
      for (const member of conversation.members) member.socket.onRead = refill;
      refill();
    }
    return () => {
      running = false;
    };
  }
}

const window = async (load: Load, seconds: number, begin: () => () => void): Promise<Window> => {
  const end = begin();
  await pause(warmUpMs);
  load.age.reset();
  const before = { deliveries: load.deliveries, heads: load.heads };
  const ended = await measureCost(load.target.server);
  await pause(seconds * 1_000);
  const deliveries = load.deliveries - before.deliveries;
  const heads = load.heads - before.heads;
  const age = load.age.summary();
  const cost = await ended();
  end();
  await until('deliveries', () => load.streams.every((stream) => stream.settled));
  if (load.target.name === 'caas') {
    await untilPersisted(
      load.streams.map((s) => s.conversation),
      (c) => (load.streams[c] as Stream).accepted,
    );
  }
  return {
    ...age,
    deliveriesPerSecond: deliveries / cost.seconds,
    cpuPerMillion: (cost.serverCpuSeconds / deliveries) * 1e6,
    generatorPerMillion: (cost.generatorCpuSeconds / deliveries) * 1e6,
    headsPerMessage: heads / deliveries,
    cost,
  };
};

const rowOf = (target: string, loop: string, windows: readonly Window[]) => {
  const of = (pick: (w: Window) => number): number => round(median(windows.map(pick)), 4);
  return {
    target,
    loop,
    'deliveries/s': Math.round(of((w) => w.deliveriesPerSecond)),
    'p50 ms': of((w) => w.p50Ms),
    'p99 ms': of((w) => w.p99Ms),
    'CPU s/million': of((w) => w.cpuPerMillion),
    'generator CPU s/million': of((w) => w.generatorPerMillion),
    'heads/message': of((w) => w.headsPerMessage),
  };
};

const ratioOf = (caas: readonly Window[], ws: readonly Window[], pick: (w: Window) => number): number =>
  median(caas.map((w, i) => pick(w) / pick(ws[i] as Window)));

/** Every message to 100 members and durable, against a `ws` server that loops over its members and keeps nothing. */
export const fanout: Bench = async (options: BenchOptions): Promise<Report> => {
  const shape = { conversations: options.conversations ?? 1, members: membersEach, nodes: options.nodes ?? 1 };
  const inFlight = options.inFlight ?? defaultInFlight;
  const targets = await Promise.all([startWs(), startCaas()]);
  const populated = await Promise.all(targets.map((target) => target.populate(shape)));
  const [ws, caas] = targets.map((target, i) => new Load(target, populated[i] as Conversation[])) as [Load, Load];
  const open = { ws: [] as Window[], caas: [] as Window[] };
  const closed = { ws: [] as Window[], caas: [] as Window[] };
  const messagesPerSecond = deliveriesPerSecond / membersEach;
  for (let round = 0; round < options.rounds; round++) {
    for (const [name, load] of [['ws', ws] as const, ['caas', caas] as const]) {
      open[name].push(await window(load, options.seconds, () => load.openLoop(messagesPerSecond)));
      closed[name].push(await window(load, options.seconds, () => load.closedLoop(inFlight)));
    }
  }
  const notes = [
    `threads of caas, open loop: ${threadShares((open.caas.at(-1) as Window).cost)}`,
    `threads of caas, closed loop: ${threadShares((closed.caas.at(-1) as Window).cost)}`,
  ];
  if (options.profile) {
    const { server } = caas.target;
    notes.push(
      await profiled(server, 'fanout-open', () =>
        window(caas, options.seconds, () => caas.openLoop(messagesPerSecond)),
      ),
      await profiled(server, 'fanout-closed', () => window(caas, options.seconds, () => caas.closedLoop(inFlight))),
    );
  }
  let verified = 0;
  for (const { conversation } of caas.streams) verified += await verifyHistory(conversation);
  notes.push(`${verified} messages read back: seq without gap, digests equal`);
  for (const [i, target] of targets.entries()) await close(target, populated[i] as Conversation[]);

  const ratios: Ratio[] = [
    {
      name: `CPU a delivery at ${deliveriesPerSecond}/s to ws`,
      value: ratioOf(open.caas, open.ws, (w) => w.cpuPerMillion),
      mark: { atMost: 1 },
    },
    {
      name: 'closed-loop rate to ws',
      value: ratioOf(closed.caas, closed.ws, (w) => w.deliveriesPerSecond),
      mark: { atLeast: 3.5 },
    },
    {
      name: 'closed-loop CPU a delivery to ws',
      value: ratioOf(closed.caas, closed.ws, (w) => w.cpuPerMillion),
      mark: { atMost: 0.4 },
    },
  ];
  return {
    bench: `fanout, ${shape.conversations} × ${membersEach} members on ${shape.nodes} node(s)`,
    rows: [
      rowOf('ws', 'open', open.ws),
      rowOf('caas', 'open', open.caas),
      rowOf('ws', 'closed', closed.ws),
      rowOf('caas', 'closed', closed.caas),
    ],
    ratios,
    notes,
  };
};
