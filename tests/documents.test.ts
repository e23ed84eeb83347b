import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { errorsDocPath, errorsDocument } from '../scripts/errors-doc.ts';

test('docs/ERRORS.md says what the table of reasons says', () => {
  expect(readFileSync(errorsDocPath, 'utf8')).toBe(errorsDocument());
});
