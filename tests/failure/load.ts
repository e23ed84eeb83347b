import { CaasClientError, type Message } from '@caas/client';
import type { Chance } from '../support/chance.ts';
import type { Act } from '../support/history.ts';
import type { Member } from './fleet.ts';
import { pause } from './pause.ts';

/** Messages of a user on their way to one conversation; more wait. */
const maxAhead = 4;
/** Accepted sends that are sent again, and that are tried with other words, of 1. */
const againChance = 0.02;
const otherWordsChance = 0.005;
/** Wait between the other things a user does, in milliseconds. */
const actEveryMs = 400;
const reactions = ['👍', '👎'];

/** Refusals that say for certain that nothing came of it. */
const surely = new Set(['RATE_LIMITED', 'OVERLOADED', 'MESSAGE_NOT_FOUND', 'FAILED_PRECONDITION', 'PERMISSION_DENIED']);

export interface LoadOptions {
  /** Sends a second, of all together. */
  rate: number;
  chance: Chance;
}

/** What the users of a fleet do until it is stopped. */
export class Load {
  accepted = 0;
  /** Whether users lose their connections now and then. */
  cuts = true;
  /** When the first send was accepted that is later than a moment asked for. */
  #watch: { afterMs: number; seenMs: number | undefined } = { afterMs: Number.POSITIVE_INFINITY, seenMs: undefined };
  readonly #options: LoadOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[];

  constructor(members: readonly Member[], options: LoadOptions) {
    this.#options = options;
    const lanes = members.flatMap((member) => member.conversations.map((conversation) => ({ member, conversation })));
    const everyMs = (1_000 * lanes.length) / options.rate;
    this.#running = [
      ...lanes.map(({ member, conversation }) => this.#speak(member, conversation, everyMs)),
      ...members.map((member) => this.#act(member)),
    ];
  }

  /** From now on: when was something sent after this moment accepted first. */
  watch(): void {
    this.#watch = { afterMs: Date.now(), seenMs: undefined };
  }

  /** Milliseconds from `watch` to the first acceptance. */
  get firstAcceptedMs(): number | undefined {
    const { afterMs, seenMs } = this.#watch;
    return seenMs === undefined ? undefined : seenMs - afterMs;
  }

  /** No more is said; resolves when all that was said is accepted or refused, or rejects at the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort();
    const settled = new AbortController();
    const late = pause(deadlineMs, settled.signal).then(() => {
      if (!settled.signal.aborted) throw new Error(`sends are open after ${deadlineMs} ms`);
    });
    await Promise.race([Promise.all(this.#running), late]).finally(() => settled.abort());
  }

  async #speak({ name, userId, sdk, recorder }: Member, conversation: string, everyMs: number): Promise<void> {
    const { chance } = this.#options;
    const { signal } = this.#stopping;
    const ahead = new Set<Promise<void>>();
    for (let n = 0; !signal.aborted; n += 1) {
      await pause(everyMs * (0.5 + chance.next()), signal);
      if (signal.aborted) break;
      if (ahead.size >= maxAhead) {
        await Promise.race(ahead);
        continue;
      }
      const clientMsgId = `${n}-${chance.whole(0, 1e9)}`;
      const text = `${name} says ${n} in ${conversation}`;
      const sent = recorder.send(sdk, conversation, clientMsgId, text).then(
        async () => {
          this.accepted += 1;
          this.#watch.seenMs ??= Date.now();
          await this.#repeat({ userId, sdk, recorder }, conversation, clientMsgId, text);
        },
        // The recorder follows what has failed.
        () => undefined,
      );
      const settled = sent.finally(() => ahead.delete(settled));
      ahead.add(settled);
    }
    await Promise.all(ahead);
  }

  /** Now and then the same again, as a client that lost the answer would, or other words under the same id. */
  async #repeat(
    { userId, sdk, recorder }: Pick<Member, 'userId' | 'sdk' | 'recorder'>,
    conversationId: string,
    clientMsgId: string,
    text: string,
  ): Promise<void> {
    const roll = this.#options.chance.next();
    if (roll >= againChance + otherWordsChance) return;
    const isSame = roll < againChance;
    const content = { text: isSame ? text : `${text}, or not` };
    try {
      const { messageId } = await sdk.command('sendMessage', { conversationId, clientMsgId, content, retry: true });
      if (isSame)
        recorder.write({ client: userId, event: 'accepted', conversation: conversationId, clientMsgId, messageId });
      else recorder.write({ client: userId, event: 'conflicting', conversation: conversationId, clientMsgId });
    } catch (thrown) {
      if (isSame && thrown instanceof CaasClientError && !thrown.retryable && thrown.reason !== 'CLIENT_CLOSED')
        recorder.write({ client: userId, event: 'wrong', broken: 'send', what: `again: ${thrown.reason}` });
    }
  }

  /** Edits, reacts, deletes, reads, and loses its connection. One thing at a time. */
  async #act(member: Member): Promise<void> {
    const { chance } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await pause(actEveryMs * (0.5 + chance.next()), signal);
      if (signal.aborted) return;
      const conversation = member.conversations[chance.whole(0, member.conversations.length - 1)] as string;
      const messages = member.sdk.conversation(conversation).messages();
      const any = messages[chance.whole(0, messages.length - 1)];
      const own = messages.filter((m) => m.senderId === member.userId && m.content !== undefined);
      const mine = own[chance.whole(0, own.length - 1)];
      const roll = chance.next();
      if (roll < 0.03 && this.cuts) member.cut();
      else if (roll < 0.15) await this.#read(member, conversation);
      else if (any) await this.#one(member, conversation, this.#choose(roll, any, mine, messages.at(-1) ?? any));
    }
  }

  #choose(roll: number, any: Message, mine: Message | undefined, last: Message): Act {
    const { chance } = this.#options;
    if (roll < 0.35) return { kind: 'read', seq: last.seq };
    if (roll < 0.7 || !mine) {
      const reaction = reactions[chance.whole(0, reactions.length - 1)] as string;
      return { kind: 'react', messageId: any.messageId, reaction, present: chance.next() < 0.7 };
    }
    if (roll < 0.95) return { kind: 'edit', messageId: mine.messageId, text: `edited ${chance.whole(0, 1e9)}` };
    return { kind: 'delete', messageId: mine.messageId };
  }

  async #one({ userId: client, sdk, recorder }: Member, conversation: string, act: Act): Promise<void> {
    const done = (outcome: 'accepted' | 'refused' | 'unknown'): void =>
      recorder.write({ client, event: 'act', conversation, act, outcome });
    try {
      if (act.kind === 'edit') await sdk.editMessage(conversation, act.messageId, { text: act.text });
      else if (act.kind === 'delete') await sdk.deleteMessage(conversation, act.messageId, 'everyone');
      else if (act.kind === 'react') await sdk.setReaction(conversation, act.messageId, act.reaction, act.present);
      else await sdk.markRead(conversation, act.seq);
      done('accepted');
    } catch (thrown) {
      done(thrown instanceof CaasClientError && surely.has(thrown.reason) ? 'refused' : 'unknown');
    }
  }

  /** A page of history: whole where it is given, refused with what may be tried again where it can't be. */
  async #read({ userId: client, sdk, recorder }: Member, conversation: string): Promise<void> {
    try {
      const { messages } = await sdk.getHistory(conversation, { limit: 50 });
      for (const [i, { seq }] of messages.entries())
        if (i > 0 && seq !== (messages[i - 1] as Message).seq + 1)
          recorder.write({ client, event: 'wrong', broken: 'gap', what: `history of ${conversation} at ${seq}` });
    } catch (thrown) {
      if (!(thrown instanceof CaasClientError) || (!thrown.retryable && thrown.reason !== 'CLIENT_CLOSED'))
        recorder.write({ client, event: 'wrong', broken: 'send', what: `history: ${String(thrown)}` });
    }
  }
}
