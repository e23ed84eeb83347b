import { expect, test } from '@jest/globals';
import { hasCredentialInUrl } from './url-credentials.ts';

const jwt = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJjYWFzIiwic3ViIjoiYSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ';

test.each<[string, boolean]>([
  ['/', false],
  ['/?access_token=x', true],
  ['/?a=1&TOKEN=x', true],
  ['/?a=1;token=x', true],
  ['/path;token=x/more', true],
  ['/?%74oken=x', true],
  ['//?jwt=x', true],
  [`/?t=${jwt}`, true],
  [`/?${jwt}`, true],
  [`/path/${jwt}`, true],
  [`/?t=${jwt.replaceAll('.', '%2E')}`, true],
  ['/?tokens=x&q=token', false],
  ['/health/live?a=eyJ.b.c', false],
  ['/api/v1/auth/sessions/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b', false],
  ['/%E0%A4%A?token=x', true],
  ['/%E0%A4%A', false],
])('whether %s holds a credential: %j', (target, holds) => {
  expect(hasCredentialInUrl(target)).toBe(holds);
});
