import { afterEach, describe, expect, test } from '@jest/globals';
import { defaultLimits } from './limits.ts';
import { anOnlineClient, closeClients } from './testing/a-client.ts';
import { FakeClock, settled } from './testing/fake-clock.ts';
import type { FakeSocket } from './testing/fake-socket.ts';
import { TokenKeeper } from './token-keeper.ts';

afterEach(closeClients);

describe('a renewal under way', () => {
  /** A keeper whose getToken answers when the test says, with an hour's token under renewal. */
  const aRenewal = async () => {
    const clock = new FakeClock();
    const asked: ((token: string) => void)[] = [];
    const getToken = () => new Promise<string>((resolve) => asked.push(resolve));
    const keeper = new TokenKeeper(getToken, clock, defaultLimits);
    const renewed: string[] = [];
    const schedule = (name: string) =>
      keeper.schedule(0, 3_600_000, async (token) => void renewed.push(`${name} ${token}`));
    schedule('old');
    await clock.pass(2_880_000);
    expect(asked.length).toBe(1);
    return { clock, keeper, asked, renewed, schedule };
  };

  test('ends with stop: no token is presented or asked for any more, and no timer is left', async () => {
    const { clock, keeper, asked, renewed } = await aRenewal();
    keeper.stop();
    asked[0]?.('late');
    await settled();
    expect(clock.waiting).toBe(0);
    await clock.pass(100_000_000);
    expect([asked.length, renewed]).toEqual([1, []]);
  });

  test('does not take the place of the schedule of a newer connection', async () => {
    const { clock, asked, renewed, schedule } = await aRenewal();
    schedule('new');
    asked[0]?.('late');
    await clock.pass(2_880_000);
    asked[1]?.('next');
    await settled();
    expect(renewed).toEqual(['new next']);
  });
});

describe('a connection that has ended', () => {
  test('in the turn of its welcome is not taken, and the next is tried', async () => {
    const { client, clock, socket, sockets } = await anOnlineClient();
    await socket(0).closedByNode(1006);
    await clock.pass(1_000);
    const node = socket(1);
    // One turn brings both, as one TCP segment may.
    const both = [node.welcome(), node.closedByNode(4503)];
    await Promise.all(both);
    expect(client.state).not.toBe('online');
    await clock.pass(1_000);
    expect(sockets.length).toBe(3);
    await socket(2).welcome();
    expect(client.state).toBe('online');
  });

  test('refuses a command at once instead of letting it wait for its time', async () => {
    const { client, socket } = await anOnlineClient();
    // The closing handshake has begun; its event is still to come.
    (socket(0) as FakeSocket).readyState = 2;
    await expect(client.getUsers(['a'])).rejects.toMatchObject({ reason: 'UNAVAILABLE', retryable: true });
    expect(socket(0).sent).toEqual([]);
  });
});

describe('typing', () => {
  const typing = (userId: string, on: boolean) => ({ typing: { conversationId: 'c', userId, typing: on } });
  const opened = async (limits = {}) => {
    const all = await anOnlineClient({ limits });
    const heard: string[] = [];
    all.client.on('typing', (t) => heard.push(`${t.userId} ${t.typing}`));
    return { ...all, heard, node: all.socket(0) };
  };

  test('ceases by itself without a repeat, and once only', async () => {
    const { clock, heard, node } = await opened();
    await node.event(typing('a', true));
    await clock.pass(5_000);
    await node.event(typing('a', true));
    await clock.pass(5_999);
    expect(heard).toEqual(['a true', 'a true']);
    await clock.pass(1);
    expect(heard.slice(2)).toEqual(['a false']);
    await node.event(typing('b', true));
    await node.event(typing('b', false));
    await clock.pass(10_000);
    expect(heard.slice(3)).toEqual(['b true', 'b false']);
  });

  test('of too many ceases for the one longest silent, and for nobody once the client is closed', async () => {
    const { client, clock, heard, node } = await opened({ maxTyping: 2 });
    for (const user of ['a', 'b', 'a', 'c']) await node.event(typing(user, true));
    expect(heard).toEqual(['a true', 'b true', 'a true', 'b false', 'c true']);
    client.close();
    await clock.pass(10_000);
    expect([heard.length, clock.waiting]).toEqual([5, 0]);
  });
});
