/** Every bound of the client, with its unit. What happens at each is said where it is used. */
export interface ClientLimits {
  /** A command without an answer rejects with DEADLINE_EXCEEDED after this many milliseconds, waiting to be online included. */
  readonly commandTimeoutMs: number;
  /** A connection that has not been welcomed is given up after this many milliseconds. */
  readonly openTimeoutMs: number;
  /** An application's getToken or urls that has not answered counts as failed after this many milliseconds. */
  readonly tokenTimeoutMs: number;
  /** Commands open at once; more reject with LIMIT_EXCEEDED. */
  readonly maxPendingCommands: number;
  /** Ceiling of the first wait before a retry, in milliseconds. */
  readonly backoffBaseMs: number;
  /** Ceiling of any wait before a retry, in milliseconds. */
  readonly backoffCapMs: number;
  /** Silence beyond two ping intervals after which the connection is probed, in milliseconds. */
  readonly watchdogSlackMs: number;
  /** A probe unanswered for this many milliseconds ends the connection. */
  readonly probeTimeoutMs: number;
  /** Longest time the old connection of a moving node is kept for its open answers, in milliseconds. */
  readonly maxDrainMs: number;
  /** Fresh tokens refused in a row before the client ends. */
  readonly maxTokenRefusals: number;
  /** Unsent messages; more reject with LIMIT_EXCEEDED. */
  readonly maxOutboxMessages: number;
  /** JSON bytes of unsent messages; more reject with LIMIT_EXCEEDED. */
  readonly maxOutboxBytes: number;
  /** A message that could not be sent for this many milliseconds is given up. */
  readonly maxSendAgeMs: number;
  /** Committed messages kept of an open conversation; older ones come by history. */
  readonly maxWindowMessages: number;
  /** Accepted, not yet committed messages kept of an open conversation; beyond it the newest are left to sync. */
  readonly maxPendingMessages: number;
  /** Participants kept of an open conversation, those that changed last; others come by listMembers. */
  readonly maxParticipants: number;
  /** Open conversations; beyond it the one used least recently is closed. */
  readonly maxWindows: number;
  /** Entries kept of the user's list of conversations. */
  readonly maxConversations: number;
  /** A conversation behind its head waits this many milliseconds for late messages before it is synced. */
  readonly syncGraceMs: number;
  /** Greatest such wait, in milliseconds, when one sync follows another. */
  readonly maxSyncGraceMs: number;
  /** An unread count in doubt waits this many milliseconds for what settles it before the node is asked. */
  readonly unreadGraceMs: number;
  /** Entries of the list asked for one by one at once; more wait. */
  readonly maxEntryReadsAtOnce: number;
  /** Beyond that, one such question in this many milliseconds. */
  readonly entryReadIntervalMs: number;
  /** Typing that is not repeated for this many milliseconds has ceased. */
  readonly typingTimeoutMs: number;
  /** Failures of an upload in a row, with nothing arriving between them, before it is given up. */
  readonly maxUploadFailures: number;
  /** How often is asked whether uploaded media is processed, in milliseconds. */
  readonly processingPollMs: number;
  /** Longest time an upload waits for that, in milliseconds. */
  readonly maxProcessingMs: number;
  /** Users known to type, in all conversations; beyond it the one longest silent is told to have ceased. */
  readonly maxTyping: number;
}

export const defaultLimits: ClientLimits = {
  commandTimeoutMs: 15_000,
  openTimeoutMs: 10_000,
  tokenTimeoutMs: 30_000,
  maxPendingCommands: 1_000,
  backoffBaseMs: 200,
  backoffCapMs: 15_000,
  watchdogSlackMs: 5_000,
  probeTimeoutMs: 5_000,
  maxDrainMs: 5_000,
  maxTokenRefusals: 3,
  maxOutboxMessages: 1_000,
  maxOutboxBytes: 4 * 1024 * 1024,
  maxSendAgeMs: 24 * 60 * 60 * 1_000,
  maxWindowMessages: 1_000,
  maxPendingMessages: 2_000,
  maxParticipants: 1_000,
  maxWindows: 100,
  maxConversations: 10_000,
  syncGraceMs: 100,
  maxSyncGraceMs: 1_000,
  unreadGraceMs: 250,
  maxEntryReadsAtOnce: 20,
  entryReadIntervalMs: 1_500,
  typingTimeoutMs: 6_000,
  maxUploadFailures: 10,
  processingPollMs: 1_000,
  maxProcessingMs: 600_000,
  maxTyping: 1_000,
};
