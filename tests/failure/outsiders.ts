import type { CaasClient, CaasClientError } from '@caas/client';
import { WebSocket } from 'ws';
import type { Recorder } from '../support/history.ts';
import type { Member } from './fleet.ts';
import { pause } from './pause.ts';
import type { Target } from './world.ts';

/** Wait between tries, in milliseconds. */
const everyMs = 500;
/** How long nodes may go on to take a removed member or an ended session for what it was, in milliseconds. */
export const graceMs = 5_000;

/** Those who must not see or do anything, and keep trying. */
export class Outsiders {
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[] = [];

  /** Asks for, writes to and follows a conversation that is not the user's, or not any more. */
  intrude({ userId: client, sdk, recorder }: Member, conversationId: string, who: string): void {
    const leaked = (what: string): void =>
      recorder.write({ client, event: 'wrong', broken: 'leaked', what: `${who}: ${what} of ${conversationId}` });
    for (const event of ['message', 'committed', 'messageChanged'] as const)
      sdk.on(event, (message) => {
        if (message.conversationId === conversationId) leaked(`${event} ${message.messageId} came`);
      });
    const tries: Record<string, () => Promise<unknown>> = {
      history: () => sdk.getHistory(conversationId, {}),
      entry: () => sdk.getConversation(conversationId),
      members: () => sdk.listMembers(conversationId),
      send: () =>
        sdk.command('sendMessage', {
          conversationId,
          clientMsgId: crypto.randomUUID(),
          content: { text: 'let me in' },
        }),
      sync: () => refusedSync(sdk, conversationId),
    };
    this.#repeat(async () => {
      for (const [what, attempt] of Object.entries(tries)) {
        try {
          await attempt();
          leaked(`${what} was answered`);
        } catch (thrown) {
          if (!(thrown as CaasClientError).retryable)
            recorder.write({ client, event: 'turned-away', what: `${who} ${what}` });
        }
      }
    });
  }

  /** Tries to come in with a token whose session has ended. */
  enter(target: Target, token: string, recorder: Recorder): void {
    this.#repeat(async () => {
      for (const url of target.socketUrls) {
        const outcome = await entry(url, token);
        if (outcome === 'in')
          recorder.write({
            client: recorder.client,
            event: 'wrong',
            broken: 'leaked',
            what: 'an ended session came in',
          });
        if (outcome === 'refused')
          recorder.write({ client: recorder.client, event: 'turned-away', what: 'an ended session' });
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  #repeat(attempt: () => Promise<void>): void {
    const { signal } = this.#stopping;
    const run = async (): Promise<void> => {
      while (!signal.aborted) {
        await attempt();
        await pause(everyMs, signal);
      }
    };
    this.#running.push(run());
  }
}

/** Rejects where the answer says that there is no such conversation; what it gives otherwise is a leak. */
const refusedSync = async (sdk: CaasClient, conversationId: string): Promise<void> => {
  const { deltas } = await sdk.command('sync', { conversations: [{ conversationId, cursor: '', rev: 0 }] });
  if (deltas.every((delta) => delta.refused !== 'UNSPECIFIED' && delta.messages.length === 0))
    throw Object.assign(new Error('refused'), { retryable: deltas.length === 0 });
};

const codesOfRefusal = new Set([4401, 4404]);

const entry = (url: string, token: string): Promise<'in' | 'refused' | 'no answer'> =>
  new Promise((resolve) => {
    const socket = new WebSocket(url, ['caas.v1.json', `bearer.${token}`], { handshakeTimeout: 5_000 });
    const timer = setTimeout(() => end('no answer'), 5_000);
    const end = (outcome: 'in' | 'refused' | 'no answer'): void => {
      clearTimeout(timer);
      socket.terminate();
      resolve(outcome);
    };
    socket.on('message', (data) => {
      if (JSON.parse(data.toString()).event?.welcome) end('in');
    });
    socket.on('unexpected-response', (_request, { statusCode }) => end(statusCode === 401 ? 'refused' : 'no answer'));
    socket.on('close', (code) => end(codesOfRefusal.has(code) ? 'refused' : 'no answer'));
    socket.on('error', () => undefined);
  });
