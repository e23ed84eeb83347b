import { CaasError } from '@caas/kit';
import { expect, test } from '@jest/globals';
import { MongoBulkWriteError, MongoNetworkError, MongoServerError } from 'mongodb';
import { engineError } from './errors.ts';
import { textKey } from './keys.ts';

const serverError = (code: number, codeName: string, labels: string[] = []): MongoServerError =>
  new MongoServerError({ message: 'secret detail', code, codeName, errorLabels: labels });

test('what cannot be served now is UNAVAILABLE and names the engine’s reason, no more', () => {
  const network = new MongoNetworkError('connection to secret closed');
  const bulk = new MongoBulkWriteError(network, { getWriteConcernError: () => undefined } as never);
  const concern = new MongoBulkWriteError({ message: 'waiting for replication timed out', code: 64 }, {
    getWriteConcernError: () => ({ code: 64 }),
  } as never);
  const faults = [
    [network, 'MongoNetworkError'],
    [bulk, 'MongoNetworkError'],
    [concern, 'code 64'],
    [serverError(10_107, 'NotWritablePrimary'), 'NotWritablePrimary'],
    [serverError(14_031, 'OutOfDiskSpace'), 'OutOfDiskSpace'],
    [serverError(13, 'Unauthorized'), 'Unauthorized'],
    [serverError(99_999, 'Unheard', ['RetryableWriteError']), 'Unheard'],
  ] as const;
  for (const [fault, engine] of faults) {
    const error = engineError(fault);
    expect(error).toMatchObject({ reason: 'UNAVAILABLE', retryable: true, details: { engine }, cause: fault });
    expect(error.message).toBe('the database cannot serve this now');
  }
});

test('a server that says it is overloaded is OVERLOADED, a wrong command INTERNAL, and a CaasError stays what it is', () => {
  expect(engineError(serverError(462, 'Busy', ['SystemOverloadedError'])).reason).toBe('OVERLOADED');
  for (const fault of [serverError(2, 'BadValue'), serverError(11_000, 'DuplicateKey'), new TypeError('oh')])
    expect(engineError(fault)).toMatchObject({ reason: 'INTERNAL', message: 'internal error', cause: fault });
  const refusal = new CaasError('INVALID_ARGUMENT', 'too much');
  expect(engineError(refusal)).toBe(refusal);
});

test('keys of different parts differ, and begin with the first', () => {
  const parts = [['a', 'bc'], ['ab', 'c'], ['1:a', 'b'], ['', 'abc'], ['abc', ''], ['a', 'b', 'c'], ['abc']];
  expect(new Set(parts.map((each) => textKey(...each))).size).toBe(parts.length);
  expect(textKey('tenant', 'conversation', 'm')).toBe('6:tenant12:conversationm');
});
