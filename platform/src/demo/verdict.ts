import type { Message } from '@caas/client';
import { DemoError } from './demo-error.ts';
import type { Side } from './side.ts';
import type { Talk } from './talk.ts';

/** Lines of a table of the messages: who, seq, latencies, trace. */
export const reportOf = ({ sent, views }: Talk, sides: readonly [Side, Side]): string[] => {
  const lines = ['    seq  from    ack ms   seen after ms  trace id                          text'];
  const seqs = new Map(views[0].messages().map(({ messageId, seq }) => [messageId, seq]));
  for (const { messageId, text, ackMs, sentAtMs, traceId } of sent) {
    const from = text.startsWith(sides[0].name) ? sides[0] : sides[1];
    const to = from === sides[0] ? sides[1] : sides[0];
    const seenAfter = (to.seenAtMs.get(messageId) ?? Number.NaN) - sentAtMs;
    lines.push(
      `${`#${seqs.get(messageId)}`.padStart(7)}  ${from.name.padEnd(6)}  ${ackMs.toFixed(1).padStart(6)}  ${seenAfter.toFixed(1).padStart(14)}  ${traceId}  ${text}`,
    );
  }
  return lines;
};

/** Throws a DemoError unless both sides hold every message sent, in one order without gaps, under one digest. */
export const assertAgreed = ({ sent, views, before }: Talk): void => {
  const lists = views.map((view) => view.messages().filter(({ seq }) => seq > before)) as [Message[], Message[]];
  for (const list of lists) {
    const missing = sent.find(({ messageId }) => !list.some((message) => message.messageId === messageId));
    if (missing) throw new DemoError(`a side lacks "${missing.text}"`);
    const gap = list.findIndex(({ seq }, i) => seq !== before + i + 1);
    if (gap !== -1) throw new DemoError(`a side has a gap before #${list[gap]?.seq}`);
  }
  const [left, right] = lists.map((list) => list.map(({ messageId }) => messageId).join());
  if (left !== right) throw new DemoError('the two sides hold the messages in different orders');
  const [a, b] = views.map(({ head }) => `${head.lastSeq} ${head.digest}`);
  if (a !== b) throw new DemoError(`the digests differ: ${a} and ${b}`);
};
