import { createHash } from 'node:crypto';
import { Oddities } from '../old/odd.ts';
import { conversationsIn } from '../old/old-side.ts';
import { sideBySide } from '../side-by-side.ts';
import { type Verdict, type VerifyParts, verifyConversation } from './verify-conversation.ts';

/** Conversations compared side by side. */
const conversationsAtOnce = 4;
/** Differing conversations that are named; further ones are counted. */
const maxNamed = 20;

export interface VerifyReport {
  conversations: number;
  messages: number;
  /** Over the checksums of all conversations of the old side, in the order of their ids in CAAS. */
  checksum: string;
  differing: number;
  named: Pick<Verdict, 'conversationId' | 'differences'>[];
}

/** Compares every conversation of the tenant. One that differs is written anew by the next import. */
export const verifyTenant = async (
  parts: VerifyParts,
  { signal, onProgress }: { signal: AbortSignal; onProgress?(report: VerifyReport): void },
): Promise<VerifyReport> => {
  const { pair, old, ledger } = parts;
  const report: VerifyReport = { conversations: 0, messages: 0, checksum: '', differing: 0, named: [] };
  const sums: string[] = [];
  await sideBySide(conversationsIn(old, pair, new Oddities()), conversationsAtOnce, async (conversation) => {
    signal.throwIfAborted();
    const verdict = await verifyConversation(parts, conversation);
    if (!verdict) return;
    const { conversationId, messages, checksum, differences } = verdict;
    report.conversations += 1;
    report.messages += messages;
    sums.push(`${conversationId} ${checksum}`);
    if (differences.length > 0) {
      report.differing += 1;
      if (report.named.length < maxNamed) report.named.push({ conversationId, differences });
      await ledger.doubt(pair.tenantId, conversationId);
    }
    onProgress?.(report);
  });
  report.checksum = createHash('sha256').update(sums.sort().join('\n')).digest('hex');
  return report;
};
