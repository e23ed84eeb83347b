import { chunksOf, inChunks } from '@caas/kit';
import { type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import type { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import type { Outcome } from './apply/model.ts';

/** An outcome of a conversation that exists. */
export interface Written extends Outcome {
  conversation: ConversationDocument;
}

const writeChunks = async <T>(
  documents: readonly T[],
  write: (chunk: readonly T[]) => Promise<void>,
): Promise<void> => {
  for (const chunk of chunksOf(documents, maxDocumentsPerCall)) await write(chunk);
};

/** Step 1: the documents, past the heads, where no reader looks yet. */
export const writeDocuments = async (store: MessageStore, outcomes: readonly Written[]): Promise<void> => {
  await Promise.all([
    writeChunks(
      outcomes.flatMap((o) => o.messages),
      (chunk) => store.messages.write(chunk),
    ),
    writeChunks(
      outcomes.flatMap((o) => o.participants),
      (chunk) => store.participants.write(chunk),
    ),
    writeChunks(
      outcomes.flatMap((o) => o.hidden),
      (chunk) => store.messages.hide(chunk),
    ),
  ]);
};

/** Step 2: the heads. Answers, in order, which took place. */
export const commitHeads = async (store: MessageStore, outcomes: readonly Written[]): Promise<boolean[]> => {
  const commits = outcomes.map(({ base, conversation }) => ({
    expectedHeadRev: base?.headRev ?? 0,
    document: conversation,
  }));
  const results = await inChunks(commits, maxDocumentsPerCall, (chunk) => store.conversations.commit(chunk));
  return results.map((result) => result === 'committed');
};
