import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, test } from '@jest/globals';
import { Client } from '@opensearch-project/opensearch';
import { searchIndexContract } from './contract.ts';
import { openOpenSearchIndex } from './opensearch-search-index.ts';
import { Room } from './testing.ts';

const url = process.env['OPENSEARCH_URL'] ?? '';
if (url === '') throw new Error('OPENSEARCH_URL is not set: npm run test:engines sets it');
const prefix = `test-${process.pid}-`;
const client = new Client({ node: url });
afterAll(async () => {
  await client.indices.delete({ index: [`${prefix}messages`, `${prefix}search-state`] }, { ignore: [404] });
  await client.close();
});

searchIndexContract('OpenSearch', async () => {
  const options = { urls: [url], prefix };
  let index = await openOpenSearchIndex(options);
  // The wrapper of a test calls the methods alone.
  const bound = (): typeof index => ({
    visibleAfterMs: index.visibleAfterMs,
    goneAfterMs: index.goneAfterMs,
    apply: (batch) => index.apply(batch),
    progress: (keys) => index.progress(keys),
    records: (keys) => index.records(keys),
    marks: (names) => index.marks(names),
    search: (query) => index.search(query),
    purgeSender: (tenantId, senderId) => index.purgeSender(tenantId, senderId),
    count: () => index.count(),
    close: () => index.close(),
  });
  return {
    index: bound(),
    reopen: async () => {
      await index.close();
      index = await openOpenSearchIndex(options);
      return bound();
    },
    refresh: async () => void (await client.indices.refresh({ index: `${prefix}messages` })),
  };
});

describe('OpenSearch', () => {
  test('keeps no text, and after a purge no version that has it is found', async () => {
    const index = await openOpenSearchIndex({ urls: [url], prefix });
    const r = new Room(index);
    const senderId = `purged-${process.pid}`;
    await index.apply({ documents: [r.document('canary words', { senderId })] });
    const stored = await client.search({ index: `${prefix}messages`, body: { query: { term: { sender: senderId } } } });
    expect(JSON.stringify(stored.body)).not.toMatch(/canary/);
    await index.purgeSender('t1', senderId);
    expect(await index.marks(['expunge'])).toEqual([expect.stringMatching(/^\d+$/)]);
    const terms = await client.search({
      index: `${prefix}messages`,
      body: { query: { term: { terms: 'canary' } } },
    });
    expect(terms.body.hits.hits).toEqual([]);
    await index.close();
  });

  test('shows what was applied within the time it says', async () => {
    const index = await openOpenSearchIndex({ urls: [url], prefix });
    const r = new Room(index);
    await index.apply({ documents: [r.document('soon')] });
    const endMs = Date.now() + index.visibleAfterMs;
    let found: number[] = [];
    while (found.length === 0 && Date.now() < endMs) {
      found = await r.find('soon');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(found).toEqual([1]);
    await index.close();
  });

  test('that is away is refused as UNAVAILABLE, and after a while without being asked', async () => {
    await expect(openOpenSearchIndex({ urls: ['http://127.0.0.1:1'], prefix })).rejects.toMatchObject({
      reason: 'UNAVAILABLE',
    });
    // Answers at first, then takes what it is sent and says nothing.
    // Whether each of its two indexes is there, and the fields that older ones lack.
    const requestsToOpen = 3;
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      if (asked <= requestsToOpen) response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const silent = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const index = await openOpenSearchIndex({ urls: [silent], prefix, commandTimeoutMs: 100 });
    for (let i = 0; i < 5; i++) await expect(index.count()).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    const before = asked;
    await expect(index.count()).rejects.toThrow(/left alone/);
    expect(asked).toBe(before);
    await index.close();
    server.closeAllConnections();
    server.close();
  });

  test('a closed index refuses with DRAINING', async () => {
    const index = await openOpenSearchIndex({ urls: [url], prefix });
    await index.close();
    await expect(index.count()).rejects.toMatchObject({ reason: 'DRAINING' });
  });
});
