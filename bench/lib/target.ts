import { Member, type Member as MemberType, newTally, type Tally } from './member.ts';
import { type ServerOptions, ServerProcess } from './server-process.ts';
import { issueTokens, type Token } from './tokens.ts';

export interface Conversation {
  id: string;
  members: MemberType[];
  tally: Tally;
}

interface Shape {
  conversations: number;
  members: number;
  /** Socket nodes the members are spread over, one after the other. */
  nodes: number;
}

interface CaasInfo {
  gatewayUrl: string;
  urls: string[];
  app: { appId: string; appSecret: string };
}

/** A server and how conversations come to be in it; the load is the same for all. */
export interface Target {
  readonly name: 'ws' | 'caas';
  readonly server: ServerProcess<{ urls: string[] }>;
  populate(shape: Shape): Promise<Conversation[]>;
  /** Connects `count` users; resolves with what opens their connections, so that opening can be measured. */
  visitors(count: number): Promise<(() => Promise<MemberType>)[]>;
}

/** Ends the load's connections, then the server. */
export const close = async (target: Target, conversations: readonly Conversation[]): Promise<void> => {
  for (const { members } of conversations) for (const member of members) member.socket.destroy();
  await target.server.stop();
};

const inParallel = async <T, R>(items: readonly T[], width: number, work: (item: T, i: number) => Promise<R>) => {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++;
      results[i] = await work(items[i] as T, i);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
};

export const startWs = async (options: ServerOptions = {}): Promise<Target> => {
  const server = await ServerProcess.start<{ urls: string[] }>('ws', options);
  const [url] = server.info.urls;
  return {
    name: 'ws',
    server,
    populate: ({ conversations, members }) =>
      Promise.all(
        Array.from({ length: conversations }, async (_, c) => {
          const tally = newTally();
          const id = `room-${c}-${Math.random().toString(36).slice(2)}`;
          const joined = await Promise.all(
            Array.from({ length: members }, (_, m) => Member.connect(`${url}?room=${id}`, undefined, `u${m}`, tally)),
          );
          return { id, members: joined, tally };
        }),
      ),
    visitors: async (count) =>
      Array.from({ length: count }, (_, i) => {
        const tally = newTally();
        return () => Member.connect(`${url}?room=room-${Math.floor(i / 100)}`, undefined, `u${i}`, tally);
      }),
  };
};

/** Members come in by a real token, and a conversation is one that its first member created. */
export const startCaas = async (options: ServerOptions = {}, program = 'caas'): Promise<Target> => {
  const server = await ServerProcess.start<CaasInfo>(program, options);
  const { gatewayUrl, urls, app } = server.info;
  let run = 0;

  const create = async (owner: MemberType, tokens: readonly Token[], ref: string): Promise<string> => {
    const reply = (await owner.request({
      createConversation: {
        kind: 'CONVERSATION_KIND_GROUP',
        clientRef: ref,
        title: ref,
        memberIds: tokens.map((t) => t.userId),
      },
    })) as { conversation: { conversation: { conversationId: string } } };
    return reply.conversation.conversation.conversationId;
  };

  return {
    name: 'caas',
    server,
    async populate({ conversations, members, nodes }) {
      run++;
      const tokens = await issueTokens(gatewayUrl, app, `run${run}`, conversations * members);
      return inParallel(Array.from({ length: conversations }), 4, async (_, c) => {
        const own = tokens.slice(c * members, (c + 1) * members);
        const tally = newTally();
        const joined = await inParallel(own, 32, (token, m) =>
          Member.connect(urls[m % nodes] as string, token.accessToken, token.userId, tally),
        );
        const id = await create(joined[0] as MemberType, own.slice(1), `run${run}-${c}`);
        return { id, members: joined, tally };
      });
    },
    async visitors(count) {
      run++;
      const tokens = await issueTokens(gatewayUrl, app, `visit${run}`, count);
      // Each is in a conversation of 100, as users who come back are.
      for (let i = 0; i < count; i += 100) {
        const own = tokens.slice(i, i + 100);
        const [first] = own as [Token];
        const owner = await Member.connect(urls[0] as string, first.accessToken, first.userId, newTally());
        await create(owner, own.slice(1), `visit${run}-${i}`);
        owner.socket.destroy();
      }
      return tokens.map((token, i) => {
        const tally = newTally();
        return () => Member.connect(urls[i % urls.length] as string, token.accessToken, token.userId, tally);
      });
    },
  };
};
