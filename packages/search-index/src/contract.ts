/** What every adapter of the search index has to do. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type IndexDocument,
  type IndexPage,
  type IndexQuery,
  maxDocumentsPerApply,
  maxRecords,
  type SearchIndex,
} from './port.ts';
import { fresh, Room } from './testing.ts';
import { parseQuery } from './text/query.ts';

export interface SearchIndexUnderTest {
  index: SearchIndex;
  /** Closes the index and opens the same data again. */
  reopen(): Promise<SearchIndex>;
  /** Makes everything that was applied visible at once. */
  refresh(): Promise<void>;
  /** Everything the engine has written where it keeps the index; undefined where that can't be read. */
  bytes?(): Promise<Buffer>;
}

export const searchIndexContract = (name: string, open: () => Promise<SearchIndexUnderTest>): void => {
  describe(`search index on ${name}`, () => {
    let under: SearchIndexUnderTest;
    let index: SearchIndex;
    beforeAll(async () => {
      under = await open();
      index = under.index;
    });
    afterAll(() => index.close());

    /** A room in which these were said, 1, 2, 3 …; what is applied through it is visible at once. */
    const room = async (...texts: string[]): Promise<Room> => {
      const made = new Room({ ...index, apply: (batch) => apply(batch) } as SearchIndex);
      await apply({ documents: texts.map((text) => made.document(text)) });
      return made;
    };
    const apply = async (batch: Parameters<SearchIndex['apply']>[0]): Promise<void> => {
      await index.apply(batch);
      await under.refresh();
    };

    describe('words', () => {
      test('are found in any case, with and without accents, in full and half width', async () => {
        const r = await room('Crème Brûlée at the Café', 'Straße in ŁÓDŹ', 'ＦＵＬＬ width', 'naïve I\u0307zmir');
        expect(await r.find('creme brulee')).toEqual([1]);
        expect(await r.find('CAFÉ')).toEqual([1]);
        expect(await r.find('strasse')).toEqual([2]);
        expect(await r.find('lodz')).toEqual([2]);
        expect(await r.find('full')).toEqual([3]);
        expect(await r.find('ＷＩＤＴＨ')).toEqual([3]);
        expect(await r.find('İzmir')).toEqual([4]);
      });

      test('have to be there all; the last one may be a beginning, others not', async () => {
        const r = await room('the server is down', 'the server is up', 'servers are fine');
        expect(await r.find('server down')).toEqual([1]);
        expect(await r.find('down serv')).toEqual([1]);
        expect(await r.find('serv')).toEqual([3, 2, 1]);
        expect(await r.find('serv down')).toEqual([]);
        expect(await r.find('s')).toEqual([3, 2, 1]);
        expect(await r.find('nothing')).toEqual([]);
      });

      test('in quotes stand one after the other and are whole', async () => {
        const r = await room('red apple pie', 'apple red pie', 'red apples pie');
        expect(await r.find('"red apple"')).toEqual([1]);
        expect(await r.find('“red apple” pie')).toEqual([1]);
        expect(await r.find('"apple pie"')).toEqual([1]);
        // Not closed yet: the last word may be a beginning.
        expect(await r.find('"red apple')).toEqual([3, 1]);
        expect(await r.find('red-apple')).toEqual([3, 1]);
      });

      test('of Chinese, Japanese and Korean are found by one or more characters', async () => {
        const r = await room(
          '服务器今天宕机了',
          '東京で会議をします',
          '내일 검색을 시작합니다',
          'データベースのﾃｽﾄ',
          'iPhone手机很好',
        );
        expect(await r.find('服务器')).toEqual([1]);
        expect(await r.find('宕机')).toEqual([1]);
        expect(await r.find('机')).toEqual([5, 1]);
        expect(await r.find('器服')).toEqual([]);
        expect(await r.find('会議')).toEqual([2]);
        expect(await r.find('東京 会')).toEqual([2]);
        expect(await r.find('검색')).toEqual([3]);
        expect(await r.find('색')).toEqual([3]);
        expect(await r.find('データ')).toEqual([4]);
        expect(await r.find('テスト')).toEqual([4]);
        expect(await r.find('ﾍﾞｰｽ')).toEqual([4]);
        expect(await r.find('iphone手机')).toEqual([5]);
        expect(await r.find('了')).toEqual([1]);
        // As a file name of some systems has it, in its parts.
        expect(await r.find('검색'.normalize('NFD'))).toEqual([3]);
      });

      test('of other scripts, numbers and signs', async () => {
        const r = await room('Привет мир', 'สวัสดีครับ', 'שָׁלוֹם', 'order 66 at 12:30', 'well done 👍🏽', '𝒻𝒶𝓃𝒸𝓎 𠮷野家');
        expect(await r.find('привет')).toEqual([1]);
        expect(await r.find('สวัส')).toEqual([2]);
        expect(await r.find('שלום')).toEqual([3]);
        expect(await r.find('66')).toEqual([4]);
        expect(await r.find('12:30')).toEqual([4]);
        expect(await r.find('👍')).toEqual([5]);
        expect(await r.find('fancy')).toEqual([6]);
        expect(await r.find('𠮷野')).toEqual([6]);
        expect(await r.find('𠮷')).toEqual([6]);
      });

      test('of names of attachments are found, and no phrase reaches from the text into them', async () => {
        const r = await room();
        await r.say('look at this', { names: ['Quarterly Report.pdf', 'photo.png'] });
        expect(await r.find('quarterly')).toEqual([1]);
        expect(await r.find('report.pdf')).toEqual([1]);
        expect(await r.find('"this quarterly"')).toEqual([]);
        expect(await r.find('this photo')).toEqual([1]);
      });

      test.each([
        'a" OR "1',
        'NEAR(secret hello, 2)',
        'terms: secret',
        '{place} : k1',
        'secret*',
        '* OR *',
        '-secret',
        '^hello AND NOT secret',
        '(((',
        '"""',
        "'; DROP TABLE words; --",
        'message_id:* OR tenant_id:t1',
        '/.*/ ~2 && || ! [a TO z] \\',
        '{"match_all":{}}',
        '\u0000hello\u0000',
      ])('are words and no operators: %j', async (hostile) => {
        const r = await room('unrelated', 'hello hello');
        const found = parseQuery(hostile).length === 0 ? [] : await r.find(hostile);
        expect(found).toEqual(hostile.includes('\u0000') ? [2] : []);
      });

      test('of a query of 1,024 bytes', async () => {
        const han = '服'.repeat(341);
        const letters = 'x'.repeat(1_024);
        const words = Array.from({ length: 64 }, (_, i) => `word${i}`).join(' ');
        const r = await room(han, letters, words);
        expect(await r.find(han)).toEqual([1]);
        expect(await r.find(letters)).toEqual([2]);
        expect(await r.find(words)).toEqual([3]);
        expect(await r.find(`"${words}"`)).toEqual([3]);
        expect(await r.find(`${han}机`)).toEqual([]);
        expect(() => parseQuery(`${words} more`)).toThrow(/at most 64 words/);
      });
    });

    describe('access', () => {
      test('is to the given conversations of the tenant only, and to none without', async () => {
        const [mine, other] = [await room('shared word'), await room('shared word')];
        const foreign = new Room(index, 't2');
        await apply({ documents: [foreign.document('shared word')] });
        expect(await mine.find('shared')).toEqual([1]);
        const both = new Map([mine, other].map((r) => [r.conversationId, 1]));
        expect(await mine.hits('shared', { readable: both })).toHaveLength(2);
        expect(await mine.hits('shared', { readable: new Map() })).toEqual([]);
        const theirs = new Map([[foreign.conversationId, 1]]);
        expect(await mine.hits('shared', { readable: theirs })).toEqual([]);
        expect(await foreign.hits('shared', { readable: both })).toEqual([]);
        // The same characters, cut elsewhere.
        const cut = new Map([[`1${mine.conversationId}`, 1]]);
        expect(await mine.hits('shared', { tenantId: 't', readable: cut })).toEqual([]);
      });

      test('begins at the least readable seq, and what is before has no say in pages', async () => {
        const r = await room('word one', 'word two', 'word three');
        const readable = new Map([[r.conversationId, 3]]);
        expect(await index.search(r.query('word', { readable, limit: 1 }))).toMatchObject({
          hits: [{ seq: 3 }],
          next: undefined,
        });
        expect(await r.find('word', { readable, order: 'relevance' })).toEqual([3]);
        expect(await index.search(r.query('one', { readable }))).toEqual({ hits: [], next: undefined });
      });

      test('to many conversations', async () => {
        const rooms = await Promise.all(Array.from({ length: 60 }, () => room('needle in many')));
        const readable = new Map(rooms.map((r) => [r.conversationId, 0]));
        const [first] = rooms as [Room];
        expect(await first.hits('needle', { readable, limit: 100 })).toHaveLength(60);
        readable.delete(first.conversationId);
        expect(await first.hits('needle', { readable, limit: 100 })).toHaveLength(59);
        for (let i = readable.size; i < 10_000; i++) readable.set(`nowhere-${i}`, 1);
        expect(await first.hits('needle', { readable, limit: 100 })).toHaveLength(59);
        readable.set('one-too-many', 1);
        await expect(first.hits('needle', { readable })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
      });
    });

    describe('filters', () => {
      test('by sender, time and attachment narrow, together', async () => {
        const r = await room();
        const said = [
          await r.say('word', { senderId: 'alice' }),
          await r.say('word', { senderId: 'bob', names: ['a.png'] }),
          await r.say('word', { senderId: 'carol' }),
        ];
        const at = (i: number): number => said[i]?.acceptedAtMs ?? 0;
        expect(await r.find('word', { senderIds: ['bob', 'carol'] })).toEqual([3, 2]);
        expect(await r.find('word', { senderIds: ['nobody'] })).toEqual([]);
        expect(await r.find('word', { fromMs: at(1) })).toEqual([3, 2]);
        expect(await r.find('word', { untilMs: at(1) })).toEqual([1]);
        expect(await r.find('word', { fromMs: at(1), untilMs: at(2) })).toEqual([2]);
        expect(await r.find('word', { hasAttachment: true })).toEqual([2]);
        expect(await r.find('word', { hasAttachment: false })).toEqual([3, 1]);
        expect(await r.find('word', { senderIds: ['alice'], hasAttachment: true })).toEqual([]);
        expect(await r.find('word', { fromMs: Number.MAX_SAFE_INTEGER })).toEqual([]);
      });
    });

    describe('order and pages', () => {
      const pages = async (query: IndexQuery, between: () => Promise<void> = async () => undefined) => {
        const seqs: number[] = [];
        let page: IndexPage = await index.search(query);
        for (let n = 0; ; n++) {
          seqs.push(...page.hits.map(({ seq }) => seq));
          if (page.next === undefined || n > 50) return seqs;
          await between();
          page = await index.search({ ...query, after: page.next });
        }
      };

      test('newest come first by the time they were accepted, whatever order they were applied in', async () => {
        const r = await room();
        const times = [5, 1, 9, 3, 7];
        await apply({
          documents: times.map((t) => r.document('word', { acceptedAtMs: 1_700_000_000_000 + t, seq: t })),
        });
        expect(await r.find('word')).toEqual([9, 7, 5, 3, 1]);
        expect(await pages(r.query('word', { limit: 2 }))).toEqual([9, 7, 5, 3, 1]);
        const [hit] = await r.hits('word');
        expect(hit).toMatchObject({ senderId: 'alice', acceptedAtMs: 1_700_000_000_009, seq: 9 });
      });

      test.each(['newest', 'relevance'] as const)(
        'pages of %s neither overlap nor skip while others write, of one millisecond too',
        async (order) => {
          const r = await room();
          const documents = Array.from({ length: 60 }, (_, i) =>
            r.document(`word ${'and more '.repeat(i % 7)}`, { acceptedAtMs: 1_700_000_000_000 + (i % 3) }),
          );
          await apply({ documents });
          const before = await pages(r.query('word', { order, limit: 100 }));
          expect(before.toSorted((a, b) => a - b)).toEqual(documents.map(({ seq }) => seq));
          // What was accepted in one millisecond is in the order of the conversation.
          if (order === 'newest') expect(before.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => 60 - 3 * i));
          let n = 0;
          const write = async (): Promise<void> => {
            n += 1;
            await apply({
              documents: [
                r.document('word', { seq: 1_000 + n, acceptedAtMs: 1_800_000_000_000 + n }),
                new Room(index).document('word word word'),
              ],
            });
          };
          expect(await pages(r.query('word', { order, limit: 7 }), write)).toEqual(before);
        },
      );

      test('the best come first where that is asked for, the newest of equals', async () => {
        const r = await room(
          'apple',
          `apple ${'filler '.repeat(60)}`,
          `apple apple apple ${'short '.repeat(3)}`,
          'apple',
        );
        expect(await r.find('apple', { order: 'relevance' })).toEqual([3, 4, 1, 2]);
      });

      test('a page that is exactly full tells that it was the last', async () => {
        const r = await room('word', 'word');
        for (const order of ['newest', 'relevance'] as const) {
          expect((await index.search(r.query('word', { order, limit: 2 }))).next).toBeUndefined();
          expect((await index.search(r.query('word', { order, limit: 1 }))).next).toEqual(expect.any(String));
        }
      });

      test('a cursor that no page gave is refused', async () => {
        const r = await room('word', 'word', 'word');
        const { next = '' } = await index.search(r.query('word', { limit: 1 }));
        const bad = ['', 'x', '[]', '{}', 'null', '["newest"]', '["newest",null]', '["newest",{"a":1}]', `${next}x`];
        for (const after of [...bad, '["newest","1 OR 1=1"]'])
          await expect(index.search(r.query('word', { after }))).rejects.toMatchObject({ reason: 'CURSOR_INVALID' });
        await expect(index.search(r.query('word', { after: next, order: 'relevance' }))).rejects.toMatchObject({
          reason: 'CURSOR_INVALID',
        });
      });
    });

    describe('versions', () => {
      const versionOf = (document: IndexDocument, version: number, text?: string): IndexDocument => ({
        ...document,
        version,
        content: text === undefined ? undefined : { text, names: [] },
      });

      test('an edit replaces what was found; an older one changes nothing, without an error', async () => {
        const r = await room();
        const first = await r.say('draft');
        await apply({ documents: [versionOf(first, 5, 'final')] });
        await apply({ documents: [versionOf(first, 4, 'stale')] });
        expect(await r.find('final')).toEqual([1]);
        for (const gone of ['draft', 'stale']) expect(await r.find(gone)).toEqual([]);
        await apply({ documents: [versionOf(first, 5, 'finally')] });
        expect(await r.find('finally')).toEqual([1]);
        // Several versions in one batch, in any order.
        await apply({ documents: [versionOf(first, 8, 'eight'), versionOf(first, 7, 'seven')] });
        expect(await r.find('eight')).toEqual([1]);
        expect(await r.find('seven')).toEqual([]);
      });

      test('a tombstone takes it out, and keeps older ones out, also one that came first', async () => {
        const r = await room();
        const first = await r.say('gone');
        await apply({ documents: [versionOf(first, 5)] });
        await apply({ documents: [first] });
        expect(await r.find('gone')).toEqual([]);
        const other = r.document('gone');
        await apply({ documents: [versionOf(other, 9)] });
        await apply({ documents: [other] });
        expect(await r.find('gone')).toEqual([]);
      });

      test('the same again changes nothing, written anew or not', async () => {
        const r = await room('twice');
        const counted = await index.count();
        const document = await r.say('twice and again');
        for (const rewrite of [false, true]) await apply({ documents: [document], rewrite });
        expect(await r.find('twice')).toEqual([2, 1]);
        expect(await index.count()).toBe(counted + 1);
      });

      test('of writers that race the latest stands', async () => {
        const r = await room();
        const document = r.document('v0');
        const versions = Array.from({ length: 20 }, (_, i) => versionOf(document, i + 1, `version${i + 1}`));
        await Promise.all(versions.map((each) => index.apply({ documents: [each] })));
        await under.refresh();
        expect(await r.find('version20')).toEqual([1]);
        expect(await r.find('version')).toEqual([1]);
      });
    });

    describe('progress and marks', () => {
      test('are kept with what they tell of, never go back, and survive', async () => {
        const [r, other] = [await room(), await room()];
        const [a, b] = [`mark/${fresh('a')}`, `mark/${fresh('b')}`];
        expect(await index.progress([r, other])).toEqual([0, 0]);
        expect(await index.marks([a, b])).toEqual([undefined, undefined]);
        const keyOf = ({ tenantId, conversationId }: Room) => ({ tenantId, conversationId });
        await index.apply({
          documents: [r.document('kept')],
          progress: [{ ...keyOf(r), rev: 7 }],
          marks: { [a]: '{"x":1}' },
        });
        await index.apply({ documents: [], progress: [{ ...keyOf(r), rev: 3 }], marks: { [b]: 'ü' } });
        expect(await index.progress([other, r, { ...keyOf(r), tenantId: 't2' }])).toEqual([0, 7, 0]);
        await index.apply({ documents: [], marks: { [a]: 'later' } });
        index = await under.reopen();
        await under.refresh();
        expect(await index.progress([r])).toEqual([7]);
        expect(await index.marks([b, a])).toEqual(['ü', 'later']);
        expect((await index.search(r.query('kept'))).hits).toHaveLength(1);
      });
    });

    describe('records', () => {
      test('tell version, trace and time of what the index has, by tenant, and survive', async () => {
        const r = await room();
        const traceId = 'ab'.repeat(16);
        const beganAtMs = Date.now();
        const [said, plain] = [await r.say('recorded', { traceId }), await r.say('of no trace')];
        await apply({ documents: [{ ...said, version: 40, content: undefined }] });
        const foreign = { ...said, tenantId: 't2' };
        index = await under.reopen();
        const [first, second, none] = await index.records([said, plain, foreign]);
        expect(first).toMatchObject({ version: 40, found: false, traceId });
        expect(second).toMatchObject({ version: plain.version, found: true, traceId: '' });
        expect(none).toBeUndefined();
        for (const record of [first, second]) {
          expect(record?.indexedAtMs).toBeGreaterThanOrEqual(beganAtMs);
          expect(record?.indexedAtMs).toBeLessThanOrEqual(Date.now());
        }
        expect(await index.records([])).toEqual([]);
      });
    });

    describe('bounds', () => {
      test('a batch has at most so many documents, a page so many hits, a mark so many bytes', async () => {
        const r = await room();
        const document = r.document('x');
        const many = Array.from({ length: maxDocumentsPerApply + 1 }, () => document);
        await expect(index.apply({ documents: many })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
        await expect(r.find('x', { limit: 201 })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
        await expect(r.find('')).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
        const keys = Array.from({ length: maxRecords + 1 }, () => document);
        await expect(index.records(keys)).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
        const marks = { big: 'x'.repeat(1024 * 1024 + 1) };
        await expect(index.apply({ documents: [], marks })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
      });

      test('a thousand long messages are one batch', async () => {
        const r = await room();
        const text = '服务器 lorem ipsum '.repeat(100);
        await apply({ documents: Array.from({ length: 1_000 }, () => r.document(text)) });
        expect(await r.hits('服务器 lorem', { limit: 200 })).toHaveLength(200);
      }, 60_000);
    });

    describe('purge', () => {
      test('takes a sender’s words out of the files, of this tenant only, and keeps what was there out', async () => {
        const [r, other] = [await room(), await room()];
        const canary = `canary${fresh('x').replaceAll('-', '')}`;
        const senderId = fresh('sender');
        const mine = [
          r.document(`my ${canary}`, { senderId }),
          other.document('no text', { senderId, names: [`${canary}.png`] }),
          ...Array.from({ length: 500 }, (_, i) => r.document(`${canary} number ${i}`, { senderId })),
        ];
        const foreign = new Room(index, 't2');
        await apply({ documents: [...mine, r.document('of another'), foreign.document('stays', { senderId })] });
        expect(await r.find(`my ${canary}`)).toEqual([1]);
        if (under.bytes) expect((await under.bytes()).includes(canary)).toBe(true);
        expect(await index.purgeSender('t1', senderId)).toBe(mine.length);
        await under.refresh();
        if (under.bytes) expect((await under.bytes()).includes(canary)).toBe(false);
        expect(await r.hits(canary)).toEqual([]);
        expect(await r.hits('another')).toHaveLength(1);
        expect((await index.search(foreign.query('stays'))).hits).toHaveLength(1);
        // What was on its way comes too late; what is said later counts.
        await apply({ documents: mine.slice(0, 1) });
        expect(await r.find(canary)).toEqual([]);
        await apply({ documents: [{ ...(mine[0] as IndexDocument), version: 9_999 }] });
        expect(await r.find(canary)).toEqual([1]);
        expect(await index.purgeSender('t1', senderId)).toBe(1);
        expect(await index.purgeSender('t1', senderId)).toBe(0);
      }, 60_000);

      test('what is deleted or edited leaves the files too, soon', async () => {
        if (!under.bytes) return;
        const r = await room();
        const [deleted, edited] = [`canary${process.pid}deleted`, `canary${process.pid}edited`];
        const [first, second] = [await r.say(`${deleted} 服务`), await r.say(edited)];
        expect((await under.bytes()).includes(deleted)).toBe(true);
        await apply({
          documents: [
            { ...first, version: 50, content: undefined },
            { ...second, version: 51, content: { text: 'other', names: [] } },
          ],
        });
        const endMs = Date.now() + 10_000;
        for (;;) {
          const bytes = await under.bytes();
          if (!bytes.includes(deleted) && !bytes.includes(edited)) break;
          if (Date.now() > endMs) throw new Error('still in the files');
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }, 20_000);
    });
  });
};
