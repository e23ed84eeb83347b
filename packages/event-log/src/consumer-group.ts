import { setTimeout as sleep } from 'node:timers/promises';
import { CaasError } from '@caas/kit';
import { balance } from './balance.ts';
import type { GroupOptions, LogRecord, ShardHandler, Subscription } from './port.ts';
import { ShardRun } from './shard-run.ts';
import type { Slot, SlotTable } from './slots.ts';

/** Wait before a group's offsets are asked for again, in milliseconds. */
const loadRetryMs = 200;

export interface GroupDeps {
  slots: SlotTable;
  closeGraceMs: number;
  stallMs: number;
  /** Committed offsets by slot id. */
  load(group: string): Promise<ReadonlyMap<number, number>>;
  commit(group: string, slot: Slot, next: number, records: number): void;
  read(slot: Slot, fromOffset: number, limit: number, into: LogRecord[]): void | Promise<void>;
  report(fault: unknown, where: { group: string; shard?: number; doing: string }): void;
}

interface Member {
  handler: ShardHandler;
  maxBatchRecords: number;
  gather: GroupOptions['gather'];
  leaving: boolean;
}

interface Shard {
  index: number;
  slots: readonly Slot[];
  /** Who shall have it. */
  owner: Member | undefined;
  /** Who has it. */
  held: { by: Member; run: ShardRun<Slot> } | undefined;
  /** The hand-over in progress; there is one whenever who has it is not who shall have it. */
  moving: Promise<void> | undefined;
}

/** The members of one group in this process, its shards and its offsets. */
export class ConsumerGroup {
  readonly #deps: GroupDeps;
  readonly #definition: GroupOptions;
  readonly #slots: readonly Slot[];
  readonly #shards: Shard[];
  readonly #offsets = new Map<Slot, number>();
  readonly #members = new Set<Member>();
  #loaded = false;
  #loading: Promise<void> | undefined;

  constructor(deps: GroupDeps, definition: GroupOptions) {
    const { group, shards: count, topics, from } = definition;
    this.#deps = deps;
    this.#definition = definition;
    this.#slots = topics.flatMap((topic) => checkedSlots(deps.slots, topic, count));
    this.#shards = Array.from({ length: count }, (_, index) => {
      const slots = this.#slots.filter((slot) => slot.partition % count === index);
      return { index, slots, owner: undefined, held: undefined, moving: undefined };
    });
    // Taken now, not when the committed ones are read: what is appended meanwhile is after the end.
    for (const slot of this.#slots) this.#offsets.set(slot, from === 'earliest' ? slot.first : slot.next);
    if (group === '') throw new CaasError('INVALID_ARGUMENT', 'a group needs a name', { details: { field: 'group' } });
  }

  join(options: GroupOptions, handler: ShardHandler): Subscription {
    const same = (['shards', 'topics'] as const).every((key) => String(options[key]) === String(this.#definition[key]));
    if (!same) throw refuse('the members of a group name the same topics and shards', 'topics');
    if (!(options.maxBatchRecords >= 1)) throw refuse('a batch holds at least one record', 'maxBatchRecords');
    const member: Member = {
      handler,
      maxBatchRecords: options.maxBatchRecords,
      gather: options.gather,
      leaving: false,
    };
    this.#members.add(member);
    this.#rebalance();
    let closing: Promise<void> | undefined;
    return {
      close: () => {
        closing ??= this.#leave(member);
        return closing;
      },
      lag: () => this.#lag(),
      stalled: () => this.#shards.some(({ held }) => held?.by === member && held.run.stuckMs > this.#deps.stallMs),
    };
  }

  async #leave(member: Member): Promise<void> {
    member.leaving = true;
    this.#members.delete(member);
    this.#rebalance();
    await Promise.all(this.#shards.map((shard) => this.#released(shard, member)));
  }

  /** Resolves when the member has the shard no more; who comes after it may still be starting. */
  async #released(shard: Shard, member: Member): Promise<void> {
    while (shard.held?.by === member) await shard.moving;
  }

  async #lag(): Promise<number> {
    await this.#load();
    let lag = 0;
    for (const slot of this.#slots) lag += slot.next - this.#position(slot);
    return lag;
  }

  #rebalance(): void {
    const owners = balance(
      this.#shards.map((shard) => shard.owner),
      [...this.#members],
    );
    for (const shard of this.#shards) {
      shard.owner = owners[shard.index];
      this.#handOver(shard);
    }
  }

  #handOver(shard: Shard): void {
    shard.moving ??= this.#move(shard).finally(() => {
      shard.moving = undefined;
      // Who shall have it may have changed after the move had its last look and before this.
      if (shard.held?.by !== shard.owner) this.#handOver(shard);
    });
  }

  /** Hands a shard over until who has it is who shall have it, which may change meanwhile. */
  async #move(shard: Shard): Promise<void> {
    while (shard.held?.by !== shard.owner) {
      if (shard.held) {
        await shard.held.run.stop(shard.held.by.leaving ? 'drain' : 'revoke');
        shard.held = undefined;
      } else {
        await this.#load();
        // Nobody else sets it; but the owner may have left while the offsets were read.
        if (this.#loaded && shard.owner) shard.held = { by: shard.owner, run: this.#start(shard, shard.owner) };
      }
    }
  }

  #start(shard: Shard, { handler, maxBatchRecords, gather }: Member): ShardRun<Slot> {
    const { group } = this.#definition;
    const { closeGraceMs, read, report } = this.#deps;
    return new ShardRun({
      shard: shard.index,
      slots: shard.slots,
      handler,
      maxBatchRecords,
      gather,
      closeGraceMs,
      read,
      position: (slot) => this.#position(slot),
      commit: (slot, next, records) => {
        this.#offsets.set(slot, next);
        this.#deps.commit(group, slot, next, records);
      },
      report: (fault, doing) => report(fault, { group, shard: shard.index, doing }),
    });
  }

  /** Where the group stands. What is no longer kept it can't have: then it goes on with what is, and says so. */
  #position(slot: Slot): number {
    const position = this.#offsets.get(slot) as number;
    if (position >= slot.first) return position;
    const { group } = this.#definition;
    this.#offsets.set(slot, slot.first);
    this.#deps.commit(group, slot, slot.first, 0);
    const lost = `records ${position} to ${slot.first - 1} of ${slot.topic} ${slot.partition}`;
    this.#deps.report(new Error(`${lost} are gone and the group never had them`), { group, doing: 'position' });
    return slot.first;
  }

  /** Reads the committed offsets once; as long as that fails, nobody gets records. */
  #load(): Promise<void> {
    if (this.#loaded) return Promise.resolve();
    this.#loading ??= this.#readOffsets().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #readOffsets(): Promise<void> {
    const { group } = this.#definition;
    while (!this.#loaded && this.#members.size > 0) {
      try {
        const committed = await this.#deps.load(group);
        for (const slot of this.#slots) {
          const next = committed.get(slot.id);
          if (next !== undefined) this.#offsets.set(slot, next);
          // So that "latest" means the end at the first start, not at every start until something came; and so that
          // retention knows of the group.
          else this.#deps.commit(group, slot, this.#offsets.get(slot) as number, 0);
        }
        this.#loaded = true;
      } catch (thrown) {
        this.#deps.report(thrown, { group, doing: 'load' });
        await sleep(loadRetryMs);
      }
    }
  }
}

const refuse = (message: string, field: string): CaasError =>
  new CaasError('INVALID_ARGUMENT', message, { details: { field } });

const checkedSlots = (slots: SlotTable, topic: string, shards: number): readonly Slot[] => {
  const found = slots.ofTopic(topic);
  if (!Number.isInteger(shards) || shards < 1 || found.length % shards !== 0)
    throw refuse(`${shards} shards don't divide the ${found.length} partitions of ${topic}`, 'shards');
  return found;
};
