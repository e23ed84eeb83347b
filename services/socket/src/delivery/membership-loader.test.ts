import { CaasError } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { expect, test } from '@jest/globals';
import type { Connection } from '../edge/connection.ts';
import { defaultLimits } from '../limits.ts';
import { LocalDirectory } from './local-directory.ts';
import { Turn } from './turn.ts';

const quiet = { debug: () => undefined, warn: () => undefined, error: () => undefined } as never;
const aMembership = (conversationId: string, rev: number): ParticipantDocument =>
  ParticipantDocument.fromPartial({
    tenantId: 't',
    conversationId,
    userId: 'u',
    rev,
    state: ParticipantState.PARTICIPANT_STATE_ACTIVE,
    role: Role.ROLE_MEMBER,
  });

const setUp = () => {
  const clock = { nowMs: 1_000_000, now: () => clock.nowMs };
  let memberships = [aMembership('one', 1), aMembership('two', 1)];
  let answer: 'answers' | 'away' | 'hangs' = 'answers';
  const answering = async <T>(value: T): Promise<T> => {
    if (answer === 'away') throw new CaasError('UNAVAILABLE', 'no');
    if (answer === 'hangs') await until(() => answer !== 'hangs');
    return value;
  };
  const store = {
    participants: { ofUser: () => answering(memberships) },
    conversations: {
      getMany: (keys: { conversationId: string }[]) =>
        answering(
          keys.map(({ conversationId }) =>
            ConversationDocument.fromPartial({
              tenantId: 't',
              conversationId,
              kind: ConversationKind.CONVERSATION_KIND_GROUP,
              headRev: 5,
              metaRev: 1,
              membersRev: 1,
            }),
          ),
        ),
    },
  } as unknown as MessageStore;
  const directory = new LocalDirectory(store, new Turn(), clock, quiet);
  const told: string[] = [];
  const aConnection = (): Connection =>
    ({
      claims: Claims.fromPartial({ tenantId: 't', userId: 'u' }),
      limits: defaultLimits,
      subprotocol: 'caas.v1.json',
      shareRates: () => undefined,
      event: ({ event }: { event: { $case: string } }) => told.push(event.$case),
    }) as unknown as Connection;
  const comeIn = async (): Promise<Connection> => {
    const connection = aConnection();
    await directory.connect(connection);
    return connection;
  };
  /** Conversations the user can act in without the store. */
  const known = (connection: Connection): string[] =>
    ['one', 'two'].filter((id) => directory.knownMember(connection, id));
  return {
    clock,
    directory,
    told,
    comeIn,
    known,
    store: (next: typeof answer, changed = memberships) => {
      answer = next;
      memberships = changed;
    },
  };
};

const until = async (holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 8_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('never came about');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

test('who comes back while the store is away has what the node knew, and is told limited when the rest is there', async () => {
  const { directory, store, comeIn, known, told } = setUp();
  directory.disconnect(await comeIn());
  store('away');
  const back = await comeIn();
  expect(known(back)).toEqual(['one', 'two']);
  expect(told).toEqual([]);
  store('answers');
  await until(() => told.includes('limited'));
  expect(known(back)).toEqual(['one', 'two']);
});

test('a store that is slow keeps nobody out for long', async () => {
  const { directory, store, comeIn, known, told } = setUp();
  directory.disconnect(await comeIn());
  store('hangs');
  const back = await comeIn();
  expect(known(back)).toEqual(['one', 'two']);
  store('answers');
  await until(() => told.includes('limited'));
});

test('what the log said of a membership meanwhile ends its being kept, and so does time', async () => {
  const { clock, directory, store, comeIn, known } = setUp();
  directory.disconnect(await comeIn());
  directory.membershipChanges('t', 'u', 'one');
  store('away');
  const back = await comeIn();
  expect(known(back)).toEqual(['two']);
  directory.disconnect(back);
  clock.nowMs += 120_000;
  const late = await comeIn();
  expect(known(late)).toEqual([]);
  directory.disconnect(late);
});

test('a membership that had ended is given up as soon as the store says so', async () => {
  const { directory, store, comeIn, known, told } = setUp();
  directory.disconnect(await comeIn());
  store('away');
  const back = await comeIn();
  store('answers', [aMembership('two', 1)]);
  await until(() => told.includes('limited'));
  expect(known(back)).toEqual(['two']);
});

test('who leaves before the rest is there is not waited for', async () => {
  const { directory, store, comeIn, told } = setUp();
  store('away');
  directory.disconnect(await comeIn());
  store('answers');
  const back = await comeIn();
  expect(told).toEqual([]);
  expect(directory.conversationCount).toBe(2);
  directory.disconnect(back);
  expect(directory.conversationCount).toBe(0);
});

test('an entry that fails for good is refused', async () => {
  const { directory, comeIn } = setUp();
  directory.registrations = {
    addUser: () => Promise.reject(new CaasError('INVALID_ARGUMENT', 'a defect')),
    removeUser: () => undefined,
  } as never;
  await expect(comeIn()).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
});
