import type { EventLog } from '@caas/event-log';
import { type KeyValue, LivingNodes, type NodeInbox } from '@caas/key-value';
import type { Clock, Logger } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import type { NodeEntry } from '@caas/proto/caas/events/v1/node_envelope';
import type { NodeBounds } from '../limits.ts';
import { CommitWatch } from './commit-watch.ts';
import type { Contents } from './contents.ts';
import { Heads } from './heads.ts';
import { JoinClaims } from './join-claims.ts';
import { LocalDirectory } from './local-directory.ts';
import { LogTail } from './log-tail.ts';
import { Messages } from './messages.ts';
import { type Envelopes, NodeLink } from './node-link.ts';
import { Ephemeral } from './presence.ts';
import { RecentSends } from './recent-sends.ts';
import { Registrations } from './registrations.ts';
import { Turn } from './turn.ts';
import { UserConnections } from './user-connections.ts';

interface DeliveryPorts {
  log: EventLog;
  store: MessageStore;
  keyValue: KeyValue;
  inbox: NodeInbox;
}

interface DeliveryOptions {
  nodeId: string;
  bounds: Readonly<NodeBounds>;
  contents: Contents;
  envelopes: Envelopes;
}

/** What brings messages and changes to the clients of a node, from them and from the other nodes; nothing runs yet. */
export const createDelivery = (
  { log, store, keyValue, inbox }: DeliveryPorts,
  { nodeId, bounds, contents, envelopes }: DeliveryOptions,
  logger: Logger,
  clock: Clock,
) => {
  const turn = new Turn();
  const directory = new LocalDirectory(store, turn, clock, logger);
  const commits = new CommitWatch(store, clock, logger);
  const heads = new Heads(store, directory, turn, commits, contents, bounds, clock, logger);
  const registrations = new Registrations(keyValue, nodeId, directory, clock, logger, () => heads.suspectAll());
  directory.registrations = registrations;
  directory.userConnections = new UserConnections(keyValue, registrations, logger);
  const link = new NodeLink(inbox, nodeId, envelopes, logger);
  const living = new LivingNodes(keyValue, clock, logger);
  const messages = new Messages(log, keyValue, living, directory, turn, link, clock, logger, {
    nodeId,
    maxPending: bounds.maxPendingSends,
  });
  const ephemeral = new Ephemeral(keyValue, living, directory, turn, link, clock, logger, nodeId);
  const recentSends = new RecentSends(bounds.maxRecentSends);
  const tail = new LogTail(log, store, directory, commits, recentSends, logger);
  // As long as a change may take, and as long again for one that was given up.
  const joins = new JoinClaims(keyValue, store.participants, 2 * bounds.commitTimeoutMs, logger);
  /** What another node or a persistence worker has sent. */
  const received = ({ entry }: NodeEntry): void => {
    if (entry?.$case === 'delivery') messages.delivered(entry.value);
    else if (entry?.$case === 'head') heads.noticed(entry.value);
    else if (entry?.$case === 'typing') ephemeral.typed(entry.value);
    else if (entry?.$case === 'presence') ephemeral.noticed(entry.value);
    else if (entry?.$case === 'rejected') tail.rejected(entry.value);
  };
  return {
    turn,
    directory,
    commits,
    heads,
    registrations,
    link,
    messages,
    ephemeral,
    recentSends,
    tail,
    joins,
    received,
  };
};

export type Delivery = ReturnType<typeof createDelivery>;
