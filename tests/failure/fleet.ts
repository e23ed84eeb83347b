import { join } from 'node:path';
import { CaasClient } from '@caas/client';
import { WebSocket } from 'ws';
import type { Chance } from '../support/chance.ts';
import { Recorder } from '../support/history.ts';
import { signIn, type TestUser } from '../support/platform.ts';
import type { Target } from './world.ts';

/** Messages a client keeps of a conversation: all, so that the whole list can be judged. */
const maxKept = 100_000;
/** How often a client that connects again asks its backend for a new token, of 1; else the one it has must do. */
const newTokenChance = 0.3;

export interface Member {
  readonly name: string;
  readonly userId: string;
  readonly sdk: CaasClient;
  readonly recorder: Recorder;
  /** Ids of the user's conversations. */
  readonly conversations: string[];
  /** Cuts the connection with no word, as a network does. */
  cut(): void;
  /** Stops reading, until the answered function is called. */
  stall(): () => void;
}

export interface FleetOptions {
  target: Target;
  /** Folder of the histories. */
  dir: string;
  chance: Chance;
}

/** Users of one tenant, each with a client that writes down what it sees. */
export class Fleet {
  readonly members: Member[] = [];
  readonly tenantId: string;
  readonly #all: Member[] = [];
  readonly #app: { appId: string; appSecret: string };
  readonly #options: FleetOptions;

  private constructor(options: FleetOptions, tenantId: string, app: { appId: string; appSecret: string }) {
    this.#options = options;
    this.tenantId = tenantId;
    this.#app = app;
  }

  static async of(options: FleetOptions, tenantId: string): Promise<Fleet> {
    return new Fleet(options, tenantId, await options.target.createApp(tenantId));
  }

  signIn(name: string): Promise<TestUser> {
    return signIn({ gatewayUrl: this.#options.target.gatewayUrl, app: this.#app }, name);
  }

  /** A client of a user that begins anew. */
  client(name: string, first: TestUser, node: number): Pick<Member, 'sdk' | 'cut' | 'stall'> {
    const { target, chance } = this.#options;
    const urls = target.socketUrls.map((_, i) => target.socketUrls[(node + i) % target.socketUrls.length] as string);
    let token: string | undefined = first.accessToken;
    let socket: WebSocket | undefined;
    const sdk = new CaasClient({
      urls,
      getToken: async () => {
        if (token === undefined || chance.next() < newTokenChance) token = (await this.signIn(name)).accessToken;
        return token;
      },
      createSocket: (url, protocols) => {
        socket = new WebSocket(url, protocols);
        // Its close event tells what the client needs to know.
        socket.on('error', () => undefined);
        return socket;
      },
      random: () => chance.next(),
      limits: { backoffCapMs: 1_000, maxWindowMessages: maxKept, maxPendingMessages: maxKept },
    });
    sdk.on('retrying', ({ error }) => {
      if (error.reason === 'UNAUTHENTICATED' || error.reason === 'TOKEN_EXPIRED') token = undefined;
    });
    const stall = (): (() => void) => {
      const stalled = socket;
      stalled?.pause();
      return () => stalled?.resume();
    };
    return { sdk, cut: () => socket?.terminate(), stall };
  }

  async join(name: string, node: number): Promise<Member> {
    const member = await this.outsider(name, node);
    this.members.push(member);
    return member;
  }

  /** A user who is not one of the members that talk. */
  async outsider(name: string, node: number): Promise<Member> {
    const user = await this.signIn(name);
    const { sdk, ...hands } = this.client(name, user, node);
    const recorder = new Recorder(join(this.#options.dir, `${this.tenantId}-${name}.jsonl`), user.userId);
    recorder.follow(sdk);
    sdk.on('diverged', ({ conversationId }) =>
      recorder.write({
        client: user.userId,
        event: 'wrong',
        broken: 'digest',
        what: `a whole delta of ${conversationId} does not give its digest`,
      }),
    );
    sdk.on('closed', ({ error }) => {
      if (error)
        recorder.write({
          client: user.userId,
          event: 'wrong',
          broken: 'send',
          what: `the client ended: ${error.reason}`,
        });
    });
    await sdk.connect();
    const member: Member = { name, userId: user.userId, sdk, recorder, conversations: [], ...hands };
    this.#all.push(member);
    return member;
  }

  /** A conversation of these users that all of them keep open. */
  async converse(members: readonly Member[], title: string, guests: readonly string[] = []): Promise<string> {
    const [owner, ...others] = members as [Member, ...Member[]];
    const { conversation } = await owner.sdk.createConversation({
      kind: 'GROUP',
      memberIds: [...others.map(({ userId }) => userId), ...guests],
      title,
    });
    for (const { userId, sdk, recorder, conversations } of members) {
      conversations.push(conversation.conversationId);
      recorder.write({ client: userId, event: 'member', conversation: conversation.conversationId });
      sdk.conversation(conversation.conversationId);
    }
    return conversation.conversationId;
  }

  async close(): Promise<void> {
    for (const { sdk } of this.#all) sdk.close();
    await Promise.all(this.#all.map(({ recorder }) => recorder.close()));
  }
}
