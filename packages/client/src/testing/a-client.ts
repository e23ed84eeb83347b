import { CaasClient, type ClientOptions } from '../client.ts';
import { FakeClock, settled } from './fake-clock.ts';
import { FakeSocket } from './fake-socket.ts';

const clients: CaasClient[] = [];

/** After each test. */
export const closeClients = (): void => {
  for (const client of clients.splice(0)) client.close();
};

/** A client on two URLs whose sockets the test plays. */
export const aClient = (options: Partial<ClientOptions> = {}) => {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];
  let tokens = 0;
  const client = new CaasClient({
    urls: ['ws://one', 'ws://two'],
    getToken: async () => `token-${++tokens}`,
    createSocket: (url, protocols) => {
      const socket = new FakeSocket(url, protocols);
      sockets.push(socket);
      return socket;
    },
    clock,
    random: () => 0,
    ...options,
  });
  clients.push(client);
  const log: string[] = [];
  client.on('state', (state) => log.push(state));
  client.on('closed', ({ error }) => log.push(`closed ${error?.reason ?? ''}`));
  return { client, clock, sockets, log, tokens: () => tokens, socket: (n: number) => sockets[n] as FakeSocket };
};

/** Connected and welcomed, with an empty list. */
export const anOnlineClient = async (options: Partial<ClientOptions> = {}) => {
  const all = aClient(options);
  const connected = all.client.connect();
  await settled();
  await all.socket(0).welcome();
  await connected;
  await all.socket(0).answer('listConversations', { reply: { conversations: {} } });
  return all;
};
