import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCrypto } from '@caas/crypto/testing';
import { openSqliteEventLog } from '@caas/event-log';
import { createGrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { openSqliteMessageStore } from '@caas/message-store';
import { SearchOrder, type SearchRequest, SearchServiceService } from '@caas/proto/caas/search/v1/search_service';
import { createSearch } from '@caas/search';
import { openSqliteSearchIndex } from '@caas/search-index';
import { LatencyRecorder } from './lib/latency.ts';
import type { Bench } from './lib/options.ts';
import { type Report, round } from './lib/report.ts';
import { conversationOf, fill, tenantId, users } from './search/corpus.ts';
import { character, Texts, word } from './search/texts.ts';

type Asked = Pick<SearchRequest, 'query'> & Partial<SearchRequest>;

/** What is searched for, by kind; `n` counts the searches, so that none is the same as the one before. */
const kinds: Readonly<Record<string, (n: number) => Asked>> = {
  'a frequent word': (n) => ({ query: `${word(n % 10)} ` }),
  'a rare word': (n) => ({ query: word(2_000 + n) }),
  'two words': (n) => ({ query: `${word(n % 30)} ${word(40 + (n % 200))}` }),
  'a phrase': (n) => ({ query: `"${word(n % 20)} ${word((n + 3) % 20)}"` }),
  'a beginning of 1 letter': (n) => ({ query: 'klmrtvsbnfgpdw'[n % 14] as string }),
  'a beginning of 3 letters': (n) => ({ query: word(n % 500).slice(0, 3) }),
  '1 Chinese character': (n) => ({ query: character(0, n % 200) }),
  '2 Korean characters': (n) => ({ query: character(2, n % 20) + character(2, (n * 3) % 20) }),
  'in one conversation': (n) => ({
    query: word(n % 50),
    filter: { conversationIds: [conversationOf(0)], senderIds: [], fromMs: 0, untilMs: 0 },
  }),
  'the best first': (n) => ({ query: word(n % 50), order: SearchOrder.SEARCH_ORDER_RELEVANCE }),
};

const claimsOf = (userId: string) => ({ tenantId, userId, appId: '', sessionId: '', scopes: ['chat'], expiresAtMs: 0 });

/**
 * The search service on embedded engines: how fast it indexes a store it has not seen, then how long searches take, by gRPC,
 * with memberships, the store's word on every hit, and highlights; of users in a few and in all conversations.
 */
export const search: Bench = async (options): Promise<Report> => {
  const messages = options.short ? 20_000 : 200_000;
  const conversations = options.conversations ?? messages / 100;
  const parent = join(import.meta.dirname, '../.cache/bench');
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'search-'));
  const store = await openSqliteMessageStore({ file: join(folder, 'messages.db') });
  await fill(store, messages, conversations);

  const log = await openSqliteEventLog({ file: join(folder, 'log.db') });
  const index = await openSqliteSearchIndex({ file: join(folder, 'search.db') });
  const crypto = await startCrypto(folder);
  const serviceAuth = sharedTokenAuth({ token: 'services-of-a-bench' });
  const logger = createLogger({ service: 'bench', level: 'error' });
  const config = { grpcAddress: '127.0.0.1:0', maxConcurrentSearches: 256 };
  const from = { at: performance.now(), cpu: process.cpuUsage() };
  const service = await createSearch({
    log,
    store,
    index,
    keys: crypto.clientOf('search'),
    config,
    serviceAuth,
    logger,
  });
  const stopping = new AbortController();
  const running = service.run(stopping.signal);
  while ((await index.count()) < messages) await sleep(20);
  const seconds = (performance.now() - from.at) / 1_000;
  const { user, system } = process.cpuUsage(from.cpu);
  const { size } = await stat(join(folder, 'search.db'));

  const client = createGrpcClient(SearchServiceService, {
    ...{ address: service.address, auth: serviceAuth, callerName: 'socket', logger },
  });
  const rows: Report['rows'] = [];
  const all = new LatencyRecorder();
  const texts = new Texts();
  let n = 0;
  for (const [kind, asked] of Object.entries(kinds)) {
    const recorder = new LatencyRecorder();
    let hits = 0;
    const rounds = options.short ? 25 : 100;
    for (let i = 0; i < rounds; i++)
      for (const userId of Object.keys(users)) {
        n += 1 + Math.floor(texts.random() * 3);
        const request = {
          claims: claimsOf(userId),
          filter: undefined,
          order: SearchOrder.SEARCH_ORDER_NEWEST,
          limit: 20,
          cursor: '',
          ...asked(n),
        };
        const at = performance.now();
        const found = await client.search(request);
        const ms = performance.now() - at;
        hits += found.hits.length;
        recorder.record(ms);
        all.record(ms);
      }
    const { p50Ms, p99Ms, maxMs, count } = recorder.summary();
    rows.push({
      search: kind,
      'p50 ms': round(p50Ms),
      'p99 ms': round(p99Ms),
      'max ms': round(maxMs),
      'hits each': round(hits / count),
    });
  }
  const { p50Ms, p99Ms, maxMs } = all.summary();
  rows.push({ search: 'all', 'p50 ms': round(p50Ms), 'p99 ms': round(p99Ms), 'max ms': round(maxMs), 'hits each': '' });
  client.close();
  stopping.abort();
  await running;
  await Promise.all([log.close(), store.close(), index.close(), crypto.stop()]);
  await rm(folder, { recursive: true, force: true });
  return {
    bench: 'search',
    rows,
    ratios: [{ name: `p99 of a search among ${messages} messages, ms`, value: p99Ms, mark: { atMost: 50 } }],
    notes: [
      `indexed ${messages} messages of ${conversations} conversations in ${round(seconds)} s: ${Math.round(messages / seconds)}/s, ` +
        `${round(((user + system) / 1e6 / messages) * 1_000)} CPU s per 1,000; file ${round(size / 2 ** 20)} MiB`,
    ],
  };
};
