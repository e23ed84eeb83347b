import { describe, expect, test } from '@jest/globals';
import { assertLine, assertPictureUrl } from './content.ts';

const refused = expect.objectContaining({ reason: 'INVALID_ARGUMENT', details: { field: 'title' } });

describe('a name or title', () => {
  test.each(['', 'Team', 'Équipe «A»', 'קבוצה', '👩‍👩‍👧', 'a\u200eb'])('of one line is taken: %j', (text) => {
    expect(assertLine(text, 'title')).toBeUndefined();
  });

  test.each(['a\nb', '\u001b[2J', '\u0085', '\u2028', '\u202egnp.exe', '\u2066x', '\u007f'])(
    'that breaks out of its line or turns it is refused: %j',
    (text) => {
      expect(() => assertLine(text, 'title')).toThrow(refused);
    },
  );
});

describe('the address of a picture', () => {
  test.each(['', 'https://cdn.test/a.png?x=1#y', 'http://localhost:3000/a', 'https://xn--bcher-kva.test/ü'])(
    'is taken: %j',
    (url) => {
      expect(assertPictureUrl(url)).toBeUndefined();
    },
  );

  test.each([
    'https://x/\n<script>',
    'https://x/<script>',
    'https://x/"onerror=',
    ' https://x/',
    'https://x/a b',
    'https://x/\u202e',
    'https://u:p@x/',
    'http://x/',
    'javascript:alert(1)',
  ])('is refused where whoever shows it may be fooled: %j', (url) => {
    expect(() => assertPictureUrl(url)).toThrow('avatar_url');
  });
});
