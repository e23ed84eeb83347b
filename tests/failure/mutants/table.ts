import type { Violated } from '../report.ts';

/** A fault put into the product on purpose, for the suite to find. */
export interface Mutant {
  readonly name: string;
  readonly about: string;
  /** The cell that finds it. */
  readonly cell: string;
  /** How: one of these promises is seen broken. */
  readonly shows: readonly Violated[];
  /** In the file, `from`, which is there once, becomes `to`. */
  readonly patches: readonly { file: string; from: string; to: string }[];
}

const persistence = 'services/persistence/src/';
const socket = 'services/socket/src/';

export const mutants: readonly Mutant[] = [
  {
    name: 'commit-before-write',
    about: 'heads are committed before the documents they tell of are written',
    cell: 'cut-persistence-mongodb',
    shows: ['lost', 'gap', 'digest'],
    patches: [
      {
        file: `${persistence}persist-groups.ts`,
        from: `    await writeDocuments(
      store,
      written.map(({ outcome }) => outcome),
    );
    signal.throwIfAborted();
`,
        to: '',
      },
      {
        file: `${persistence}persist-groups.ts`,
        from: '    if (!committed.every(Boolean)) superseded();\n',
        to: `    if (!committed.every(Boolean)) superseded();
    await writeDocuments(
      store,
      written.map(({ outcome }) => outcome),
    );
`,
      },
    ],
  },
  {
    name: 'ack-before-log',
    about: 'a send is answered before the log holds it',
    cell: 'kill-cut-off-node',
    shows: ['lost'],
    patches: [
      {
        file: `${socket}delivery/messages.ts`,
        from: '        accepted(entry.position);\n',
        to: '',
      },
      {
        file: `${socket}delivery/messages.ts`,
        from: '    this.writer.submit(entry);\n',
        to: '    accepted(1);\n    this.writer.submit(entry);\n',
      },
    ],
  },
  {
    name: 'no-fence',
    about: 'epochs guard nothing: a worker that lost its shard writes on',
    cell: 'zombie-worker',
    shows: ['lost', 'gap', 'order', 'digest', 'act'],
    patches: [
      {
        file: 'packages/message-store/src/mongo/guarded-writes.ts',
        from: ', epoch: { $lte: epoch } } as Filter<R>',
        to: ' } as Filter<R>;\n  void epoch',
      },
      {
        file: 'packages/message-store/src/mongo/commits.ts',
        from: 'headRev: int64(expectedHeadRev), epoch: { $lte: epoch } }',
        to: '}',
      },
      {
        file: 'packages/message-store/src/mongo/commits.ts',
        from: 'const compareAndSet = (expectedHeadRev',
        to: 'const compareAndSet = (_expectedHeadRev',
      },
    ],
  },
  {
    name: 'no-dedupe',
    about: 'a message that stands in the log twice gets two places',
    cell: 'copied-records',
    shows: ['duplicated'],
    patches: [
      {
        file: `${persistence}apply/message-sent.ts`,
        from: '  if (known) {\n',
        to: '  if (known && sent.messageId === "") {\n',
      },
    ],
  },
  {
    name: 'new-ids',
    about: 'a send that comes again has an id of its own',
    cell: 'deaf-user-socket-1',
    shows: ['send', 'content'],
    patches: [
      {
        file: `${socket}commands/send-message.ts`,
        from: 'outgoing.conversationId, userId, outgoing.clientMsgId);\n',
        to: 'outgoing.conversationId, userId, outgoing.clientMsgId + Math.random());\n',
      },
    ],
  },
  {
    name: 'skipped-heads',
    about: 'one notice in five is lost, and nodes do not compare heads',
    cell: 'cut-persistence-redis',
    shows: ['late'],
    patches: [
      {
        file: `${persistence}notice-queue.ts`,
        from: 'if (countOf(news) === 0) return;',
        to: 'if (countOf(news) === 0 || Math.random() < 0.2) return;',
      },
      {
        file: `${socket}delivery/heads.ts`,
        from: '  async #compare(conversations: LocalConversation[]): Promise<void> {\n',
        to: '  async #compare(conversations: LocalConversation[]): Promise<void> {\n    if (conversations.length >= 0) return;\n',
      },
    ],
  },
  {
    name: 'unordered',
    about: 'a batch is applied from its last record to its first',
    cell: 'kill-persistence-1',
    shows: ['order', 'sender-order'],
    patches: [
      {
        file: `${persistence}apply/apply-events.ts`,
        from: '  if (created(base.conversation)) return records;\n',
        to: '  if (created(base.conversation)) return records.toReversed();\n',
      },
      {
        file: `${persistence}apply/apply-events.ts`,
        from: '    if (isApplied(draft.conversation, record)) continue;\n',
        to: '    if (isApplied(base.conversation, record)) continue;\n',
      },
      {
        file: `${persistence}apply/draft.ts`,
        from: '    this.conversation.offsets[key] = record.offset;\n',
        to: '    this.conversation.offsets[key] = Math.max(record.offset, this.conversation.offsets[key] ?? -1);\n',
      },
    ],
  },
  {
    name: 'cursor-past-head',
    about: 'a sync answers a cursor beyond the changes it gave',
    cell: 'cut-user-socket-1',
    shows: ['digest', 'late'],
    patches: [
      {
        file: `${socket}commands/sync.ts`,
        from: '      : cursorAt(head.headRev, head.lastSeq),\n',
        to: '      : cursorAt(head.headRev + 20, -1),\n',
      },
      {
        file: `${socket}commands/sync.ts`,
        from: 'if (rev > since.rev && rev <= head.headRev)',
        to: 'if (rev > since.rev + 1e9)',
      },
    ],
  },
  {
    name: 'no-tenant',
    about: 'a node looks conversations up without the tenant, and takes whoever asks for a member',
    cell: 'flush-socket',
    shows: ['leaked'],
    patches: [
      {
        file: `${socket}delivery/local-directory.ts`,
        from: '    if (known?.rules && member) return { conversation: known, member };\n',
        to: `    for (const other of this.conversations())
      if (other.conversationId === conversationId && other.rules && other.members.size > 0)
        return { conversation: other, member: [...other.members.values()][0] as LocalMember };
    if (known?.rules && member) return { conversation: known, member };
`,
      },
    ],
  },
  {
    name: 'ended-sessions',
    about:
      'auth forgets to look whether the session has ended (a node that was there remembers; one that begins does not)',
    cell: 'kill-socket-1',
    shows: ['leaked'],
    patches: [
      {
        file: 'services/auth/src/commands/verify-tokens.ts',
        from: '      if (refusal) return refused(refusal);\n',
        to: '      void refusal;\n',
      },
    ],
  },
  {
    name: 'failed-batch-done',
    about: 'a batch that the store refused counts as done',
    cell: 'stop-mongodb-minute',
    shows: ['lost'],
    patches: [
      {
        file: `${persistence}shard-worker.ts`,
        from: '      this.#count(await this.#persist(state, groupsOf(slice), signal));\n',
        to: '      await this.#persist(state, groupsOf(slice), signal).then((done) => this.#count(done), () => undefined);\n',
      },
    ],
  },
];
