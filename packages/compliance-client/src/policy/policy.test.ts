import { PolicyAction, type PolicyRule } from '@caas/proto/caas/compliance/v1/policy_service';
import { expect, test } from '@jest/globals';
import { aPolicy, aRule, links, type Match, patterns, personal, words } from '../testing/a-policy.ts';
import { AhoCorasick } from './aho-corasick.ts';
import { compilePolicy, type Verdict } from './index.ts';

/** A text after the mask of one rule. */
const maskedBy = (match: Match, text: string): string => {
  const verdict = compilePolicy(aPolicy(aRule(match))).judge(text) as Verdict;
  return verdict.kind === 'mask' ? verdict.text : text;
};

test.each([
  ['a word as it stands', ['badger'], 'the badger sleeps', 'the ****** sleeps'],
  ['no part of a word', ['cat'], 'concatenate the cats', 'concatenate the cats'],
  ['at both ends', ['cat'], 'cat and cat', '*** and ***'],
  ['beside signs', ['cat'], '(cat),cat!', '(***),***!'],
  ['not in a name with an underline', ['cat'], 'the_cat', 'the_cat'],
  ['whatever its case', ['StraSSe'], 'STRAẞE straße strasse', '****** ****** *******'],
  ['whatever its accents', ['cafe'], 'café CAFÉ cafe\u0301', '**** **** ****'],
  ['whatever its width', ['cafe'], 'ｃａｆｅ ℂ𝕒𝕗𝕖', '**** ****'],
  ['with what nobody sees in it', ['badger'], 'b\u200bad\u00adger', '********'],
  ['of one list that is in another', ['ab', 'abc'], 'ab abc', '** ***'],
  ['of several words', ['new york'], 'in New York now', 'in ******** now'],
  ['in Korean with its particle', ['욕설'], '그건 욕설이야', '그건 **이야'],
  ['in Chinese', ['坏话'], '他说坏话了', '他说**了'],
  ['in Japanese of half width', ['バカ'], 'あのﾊﾞｶは', 'あの**は'],
  ['in Thai', ['ควาย'], 'ไอ้ควายนี่', 'ไอ้****นี่'],
  ['that voicing makes another', ['はか'], 'ばか', 'ばか'],
  ['of an emoji', ['👩‍👩‍👧'], 'a 👩‍👩‍👧 b', 'a * b'],
  ['that ends with a sign', ['c++'], 'I write C++ now', 'I write *** now'],
  ['that ends where a longer one goes on', ['abcx', 'bc'], 'bc abcy', '** abcy'],
])('a word is found %s', (_, list, text, expected) => {
  expect(maskedBy(words(...list), text)).toBe(expected);
});

test('the automaton finds in any text what a search for each word finds', () => {
  let seed = 20260101;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 1;
    return seed % below;
  };
  const textOf = (length: number): string => Array.from({ length }, () => 'abc가'.charAt(random(4))).join('');
  for (let round = 0; round < 300; round++) {
    const list = [...new Set(Array.from({ length: 1 + random(12) }, () => textOf(1 + random(6))))];
    const text = textOf(random(80));
    const steps = AhoCorasick.building(list);
    let step = steps.next();
    while (!step.done) step = steps.next();
    const found: string[] = [];
    step.value.search(text, (word, end) => found.push(`${list[word]}@${end}`));
    const expected = list.flatMap((word) =>
      Array.from({ length: text.length + 1 }, (_, end) => end)
        .filter((end) => text.slice(0, end).endsWith(word))
        .map((end) => `${word}@${end}`),
    );
    expect({ round, found: found.sort() }).toEqual({ round, found: expected.sort() });
  }
});

test.each([
  ['a pattern', 'no \\d{3}-\\d{4} here', 'no 555-1234 here', '****************'],
  ['each place of one', '\\bx\\w*', 'xa b xyz', '** b ***'],
  ['one without regard to case', '(?i)buy now', 'BUY NOW!', '*******!'],
  ['one of Unicode classes', '\\p{Han}+', 'a漢字b', 'a**b'],
  ['one with what nobody sees in it', '(?i)secret', 'a se\u200bcret, SEC\u00adRET', 'a *******, *******'],
  ['one of full width', '(?i)secret', 'a ｓＥｃｒｅｔ', 'a ******'],
  ['one that looks for such forms', '[Ａ-Ｚ\\x{200b}]+', 'A Ａ\u200b', 'A **'],
  ['nothing where it meets nothing', 'x*', 'ﬁx ﬁ', 'ﬁ* ﬁ'],
  ['no other case', 'Secret', 'ｓecret', 'ｓecret'],
  ['whole characters of it', 'e', 'e\u0301e', '**'],
])('a pattern masks %s', (_, pattern, text, expected) => {
  expect(maskedBy(patterns(pattern), text)).toBe(expected);
});

test.each<[string, Match, string, string]>([
  ['a card number in one', personal('CARD_NUMBER'), 'pay 4111111111111111 now', 'pay **************** now'],
  ['one in fours', personal('CARD_NUMBER'), '4111 1111 1111 1111.', '*******************.'],
  ['one of 15 digits', personal('CARD_NUMBER'), '3782-822463-10005', '*****************'],
  ['one of full width', personal('CARD_NUMBER'), '４１１１１１１１１１１１１１１１', '****************'],
  ['one after a number', personal('CARD_NUMBER'), '12 4111 1111 1111 1111', '12 *******************'],
  ['one with dashes', personal('CARD_NUMBER'), '4111–1111—1111‑1111', '*******************'],
  ['one with strokes', personal('CARD_NUMBER'), '4111/1111/1111/1111', '*******************'],
  ['one on lines', personal('CARD_NUMBER'), 'a 4111\n1111\n1111\n1111', 'a *******************'],
  ['one with wide gaps', personal('CARD_NUMBER'), '4111  1111 - 1111  1111', '***********************'],
  ['one in uneven groups', personal('CARD_NUMBER'), '41111111 11111111', '*****************'],
  ['one in other digits', personal('CARD_NUMBER'), '٤١١١ ١١١١ ١١١١ ११११', '*******************'],
  ['one before a number', personal('CARD_NUMBER'), '4111 1111 1111 1111 123', '******************* 123'],
  ['no number that fails the check', personal('CARD_NUMBER'), '4111111111111112', '4111111111111112'],
  ['no part of a longer one', personal('CARD_NUMBER'), '94111111111111111999', '94111111111111111999'],
  ['no beginning of a longer one', personal('CARD_NUMBER'), '4111111111111111222', '4111111111111111222'],
  ['no zeros', personal('CARD_NUMBER'), '0000000000000000', '0000000000000000'],
  ['an IBAN', personal('IBAN'), 'to DE89370400440532013000 please', 'to ********************** please'],
  [
    'one in groups and lower case',
    personal('IBAN'),
    'gb82 west 1234 5698 7654 32 ok',
    '*************************** ok',
  ],
  ['one with dashes', personal('IBAN'), 'DE89–3704/0044\n0532  0130 00', '****************************'],
  ['one in other digits', personal('IBAN'), 'DE٨٩370400440532013000', '**********************'],
  ['none that fails the check', personal('IBAN'), 'DE88370400440532013000', 'DE88370400440532013000'],
  ['an e-mail address', personal('EMAIL'), 'ask a.b+c@mail.example.org.', 'ask **********************.'],
  ['one in other letters', personal('EMAIL'), '메일 하나@예시.한국', '메일 ********'],
  ['none without a domain', personal('EMAIL'), 'me@home @you a@b', 'me@home @you a@b'],
  ['a number with its country', personal('PHONE'), 'call +49 30 1234567', 'call **************'],
  ['one of an area', personal('PHONE'), '010-1234-5678', '*************'],
  ['one as in America', personal('PHONE'), 'at 555-123-4567 or (212) 555-1234', 'at ************ or **************'],
  ['no date', personal('PHONE'), '01.02.2024 2024-01-15 12:30', '01.02.2024 2024-01-15 12:30'],
  ['no price', personal('PHONE'), '1234567 won', '1234567 won'],
])('of personal data %s is found', (_, match, text, expected) => {
  expect(maskedBy(match, text)).toBe(expected);
});

const shop = links(['shop.example', 'bücher.example']);
test.each<[string, Match, string, boolean]>([
  ['a domain that is allowed', shop, 'see https://shop.example/x', false],
  ['its subdomain', shop, 'www.a.shop.example', false],
  ['one that only ends like it', shop, 'https://evilshop.example', true],
  ['one that hides behind a user', shop, 'https://shop.example@evil.com/', true],
  ['one that hides behind a backslash', shop, 'https:\\\\evil.com\\@shop.example', true],
  ['one in Punycode of an allowed one', shop, 'https://xn--bcher-kva.example', false],
  ['one that looks like an allowed one', shop, 'https://shоp.example', true],
  ['one with an ideographic stop', shop, 'http://evil。com', true],
  ['a bare one with an ideographic stop', shop, 'go to evil。com now', true],
  ['no end of a sentence', shop, '他走了。in the end', false],
  ['one with full-width letters', shop, 'ｈｔｔｐ://ｅｖｉｌ.com', true],
  ['an address as a number', shop, 'http://2130706433/', true],
  ['a bare one', shop, 'go to evil.com now', true],
  ['a bare one with a path', shop, 'evil.museum/x', true],
  ['a scheme nobody knows', shop, 'evil://host/x', true],
  ['one with a port and a dot', shop, 'https://shop.example.:8443/x', false],
  ['no link', shop, 'the end. So it goes... 3.5 e.g. this, v1.2.3, readme.txt', false],
  ['an e-mail address', shop, 'me@evil.com', false],
  ['one that is denied', links([], ['evil.com']), 'sub.evil.com/x', true],
  ['one that is not denied', links([], ['evil.com']), 'https://good.com', false],
  ['any, where none is listed', links([]), 'https://good.com', true],
])('of links, %s is judged', (_, match, text, isMet) => {
  expect(compilePolicy(aPolicy(aRule(match, 'reject'))).judge(text)).toMatchObject({
    kind: isMet ? 'reject' : 'allow',
  });
});

test('a text is as long as its bytes', () => {
  const { judge } = {
    judge: (text: string) =>
      compilePolicy(aPolicy(aRule({ $case: 'length', value: { maxBytes: 6 } }, 'flag'))).judge(text),
  };
  expect(judge('abcdef')).toEqual({ kind: 'allow' });
  expect(judge('한국')).toEqual({ kind: 'allow' });
  expect(judge('abcdefg')).toMatchObject({ kind: 'flag' });
  expect(judge('한국어')).toMatchObject({ kind: 'flag' });
});

test('the greatest action wins, with the first rule of it and all that have it', () => {
  const evaluator = compilePolicy(
    aPolicy(
      aRule(words('one'), 'allow', { ruleId: 'a' }),
      aRule(words('one', 'two'), 'flag', { ruleId: 'f' }),
      aRule(words('two', 'three'), 'mask', { ruleId: 'm' }),
      aRule(patterns('t.o'), 'mask', { ruleId: 'n' }),
      aRule(words('four'), 'reject', { ruleId: 'r', publicReason: 'not four' }),
      aRule(words('four', 'five'), 'reject', { ruleId: 's', publicReason: 'nor five' }),
    ),
  );
  expect(evaluator.judge('zero')).toEqual({ kind: 'allow' });
  expect(evaluator.judge('one')).toEqual({ kind: 'flag', ruleIds: ['f'] });
  expect(evaluator.judge('one two three')).toEqual({
    kind: 'mask',
    ruleIds: ['m', 'n'],
    text: 'one *** *****',
  });
  expect(evaluator.judge('two four')).toEqual({ kind: 'reject', ruleIds: ['r', 's'], publicReason: 'not four' });
});

test('what is held wins over a mask, which holds for what is kept, and loses to a refusal', () => {
  const evaluator = compilePolicy(
    aPolicy(
      aRule(words('fox'), 'mask'),
      aRule(words('owl'), 'hold', { publicReason: 'owls are looked at' }),
      aRule(words('badger'), 'reject', { publicReason: 'no' }),
      aRule(words('wolf'), 'reject', { ruleId: 'far', remoteReview: true }),
    ),
  );
  const held = { kind: 'hold', ruleIds: ['rule-hold'], publicReason: 'owls are looked at' };
  expect(evaluator.judge('an owl')).toEqual({ ...held, text: 'an owl' });
  expect(evaluator.judge('an owl and a fox')).toEqual({ ...held, text: 'an owl and a ***' });
  expect(evaluator.judge('an owl and a badger')).toMatchObject({ kind: 'reject' });
  expect(evaluator.judge('an owl and a wolf')).toMatchObject({ kind: 'review', otherwise: held });
});

test('a rule that asks for review decides nothing here, and the reviewer gives its action', () => {
  const evaluator = compilePolicy(
    aPolicy(
      aRule(words('odd'), 'reject', { ruleId: 'r', remoteReview: true }),
      aRule(words('even'), 'flag', { ruleId: 'f' }),
    ),
  );
  expect(evaluator.judge('odd and even')).toEqual({
    kind: 'review',
    ruleIds: ['r'],
    otherwise: { kind: 'flag', ruleIds: ['f'] },
  });
  expect(evaluator.judge('odd', { asReviewer: true })).toMatchObject({ kind: 'reject', ruleIds: ['r'] });
});

test.each<[string, PolicyRule[], string]>([
  ['two rules of one id', [aRule(words('a')), aRule(words('b'))], 'policy.rules[1].rule_id'],
  ['an id with a blank', [aRule(words('a'), 'flag', { ruleId: 'a b' })], 'policy.rules[0].rule_id'],
  ['nothing to look for', [aRule(undefined)], 'policy.rules[0]'],
  ['no action', [{ ...aRule(words('a')), action: PolicyAction.POLICY_ACTION_UNSPECIFIED }], 'policy.rules[0].action'],
  ['a mask for what is too long', [aRule({ $case: 'length', value: { maxBytes: 5 } })], 'policy.rules[0].action'],
  ['a word nobody sees', [aRule(words('a', '\u200b'))], 'policy.rules[0].words.words[1]'],
  ['a pattern that is none', [aRule(patterns('ok', '(a'))], 'policy.rules[0].patterns.patterns[1]'],
  ['a pattern that looks around', [aRule(patterns('(?=a)'))], 'policy.rules[0].patterns.patterns[0]'],
  ['a pattern that refers back', [aRule(patterns('(a)\\1'))], 'policy.rules[0].patterns.patterns[0]'],
  ['patterns too large', [aRule(patterns(...Array(12).fill('[a-z]{900}')))], 'policy.rules[0].patterns.patterns[11]'],
  ['a domain that is none', [aRule(links(['ok.example', 'http://a/']))], 'policy.rules[0].links.allowed_domains[1]'],
  [
    'too many words',
    [0, 1].map((i) =>
      aRule(words(...Array.from({ length: 6_000 }, (_, j) => `w${i}x${j}`)), 'flag', { ruleId: `${i}` }),
    ),
    'policy.rules',
  ],
])('a policy with %s is refused by the field', (_, rules, field) => {
  expect(() => compilePolicy(aPolicy(...rules))).toThrow(
    expect.objectContaining({ reason: 'INVALID_ARGUMENT', details: expect.objectContaining({ field }) }),
  );
});
