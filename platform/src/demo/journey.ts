import { CaasClient } from '@caas/client';
import { newTraceparent, traceIdOf } from '@caas/kit';
import { type Hop, hopLines, type TraceRecords, walkTrace } from '@caas/trace';
import { WebSocket } from 'ws';
import { DemoError } from './demo-error.ts';
import type { Host } from './host.ts';
import { sunset } from './picture.ts';
import { patienceMs, type Session, signIn } from './side.ts';

/** Time between two looks at records that are not all there yet, ms. */
const lookEveryMs = 100;

/** Where the trace has to have come by: each is there as soon as what comes after it needs it, the last ones a little later. */
const stations: readonly (readonly [string, (hop: Hop) => boolean])[] = [
  ['the gateway', ({ kind, where }) => kind === 'line' && where === 'gateway'],
  ['auth, over gRPC', ({ kind, where, what }) => kind === 'line' && where === 'auth' && what.startsWith('call served')],
  ['a socket node', ({ kind, what }) => kind === 'line' && what.startsWith('frame answered')],
  [
    'media, over gRPC',
    ({ kind, where, what }) => kind === 'line' && where === 'media' && what.startsWith('call served'),
  ],
  ['the log', ({ kind, where }) => kind === 'record' && where.includes('message.sent')],
  ['persistence', ({ kind, where }) => kind === 'line' && where.startsWith('persistence')],
  ['the store', ({ kind }) => kind === 'document'],
  ['the commit notice', ({ kind, where }) => kind === 'record' && where.includes('message.delivered')],
  ['the index', ({ kind }) => kind === 'indexed'],
  ['the audit log', ({ kind }) => kind === 'audited'],
];

/** One user signs in and sends a picture, all in one trace; then the trace is followed through what the platform has kept. */
export const journey = async (
  { access }: Pick<Host, 'access'>,
  records: TraceRecords,
  print: (line: string) => void,
): Promise<void> => {
  const traceparent = newTraceparent();
  const traceId = traceIdOf(traceparent);
  const beganAtMs = Date.now();
  await sendPicture(await signIn(access, 'carol', traceparent), traceparent);
  const hops = await followed(records, traceId, beganAtMs);
  print(`\nOne trace id, ${traceId}: carol signs in, connects and sends a picture`);
  for (const line of hopLines(hops)) print(line);
  print(`It has come by ${stations.map(([name]) => name).join(', ')}.`);
};

const sendPicture = async ({ accessToken, socketUrls }: Session, traceparent: string): Promise<void> => {
  // Making the conversation and uploading are traces of their own.
  let sending = false;
  const client = new CaasClient({
    urls: [socketUrls[0] as string],
    getToken: async () => accessToken,
    traceparent: () => (sending ? traceparent : newTraceparent()),
    createSocket: (url, protocols) => {
      const socket = new WebSocket(url, protocols, { headers: { traceparent } });
      // Its close event tells what the client needs to know.
      socket.on('error', () => undefined);
      return socket;
    },
  });
  try {
    await client.connect();
    const { conversation } = await client.createConversation({ kind: 'GROUP', memberIds: [], title: 'Pictures' });
    const { mediaId } = await client.upload(sunset(), { name: 'sunset.png' });
    sending = true;
    await client.sendMessage(conversation.conversationId, { text: 'the harbour, 항구', attachments: [{ mediaId }] });
  } finally {
    client.close();
  }
};

/** The trace's hops, once they tell of every station. */
const followed = async (records: TraceRecords, traceId: string, sinceMs: number): Promise<Hop[]> => {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    const hops = await walkTrace(records, traceId, sinceMs);
    const missing = stations.filter(([, isIt]) => !hops.some(isIt)).map(([name]) => name);
    if (missing.length === 0) return hops;
    if (performance.now() > endMs)
      throw new DemoError(`trace ${traceId} was not seen at ${missing.join(', ')}:\n${hopLines(hops).join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
};
