import { partitionName } from '@caas/event-log';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { EventRecord } from './model.ts';

/** What documents say of a pin, committed and not. */

type Offsets = Readonly<Record<string, number>>;

export const noPinYet = {
  pinnedAtMs: 0,
  pinnedBy: '',
  pinPartition: '',
  pinOffset: 0,
  wasPinnedAtMs: 0,
  wasPinnedBy: '',
};

const isCommitted = ({ pinPartition, pinOffset }: MessageDocument, offsets: Offsets): boolean =>
  pinPartition === '' || pinOffset <= (offsets[pinPartition] ?? -1);

/** The pin that was committed with the offsets, and is in their pin_count. */
export const committedPin = (
  document: MessageDocument | undefined,
  offsets: Offsets,
): Pick<MessageDocument, 'pinnedAtMs' | 'pinnedBy'> => {
  const { pinnedAtMs, pinnedBy, wasPinnedAtMs, wasPinnedBy } = document ?? noPinYet;
  return document === undefined || isCommitted(document, offsets)
    ? { pinnedAtMs, pinnedBy }
    : { pinnedAtMs: wasPinnedAtMs, pinnedBy: wasPinnedBy };
};

/**
 * The document with the pin that was committed with the offsets. The changes it loses here are in the log and come again, each
 * to find as many messages pinned as the first time. A tombstone stays bare.
 */
export const pinRewound = (document: MessageDocument, offsets: Offsets): MessageDocument =>
  isCommitted(document, offsets) || document.deletedAtMs > 0
    ? document
    : { ...document, ...committedPin(document, offsets) };

/** The document with the record that changed its pin, and with the pin that is committed. */
export const pinChanged = (
  document: MessageDocument,
  { topic, partition, offset }: EventRecord,
  { pinnedAtMs, pinnedBy }: ReturnType<typeof committedPin>,
): MessageDocument => ({
  ...document,
  pinPartition: partitionName(topic, partition),
  pinOffset: offset,
  wasPinnedAtMs: pinnedAtMs,
  wasPinnedBy: pinnedBy,
});
