import { expect, test } from '@jest/globals';
import { Listener } from './listener.ts';
import { encodeParcel, newSender } from './parcel.ts';

const aListener = () => {
  const heard: string[] = [];
  const faults: unknown[] = [];
  const listener = new Listener(
    (envelope) => heard.push(Buffer.from(envelope).toString()),
    (fault) => faults.push(fault),
  );
  const claim = (sender: string): boolean => listener.receive(encodeParcel('claim', sender, 0));
  const envelope = (sender: string, number: number, text: string): boolean =>
    listener.receive(encodeParcel('envelope', sender, number, Buffer.from(text)));
  return { listener, heard, faults, claim, envelope };
};

test('an envelope that comes again, or after a later one of its sender, is dropped', () => {
  const { heard, envelope } = aListener();
  const [a, b] = [newSender(), newSender()];
  for (const [sender, number, text] of [
    [a, 0, 'a0'],
    [a, 0, 'a0'],
    [b, 5, 'b5'],
    [a, 2, 'a2'],
    [a, 1, 'a1'],
    [b, 4, 'b4'],
    [b, 6, 'b6'],
  ] as const)
    expect(envelope(sender, number, text)).toBe(true);
  expect(heard).toEqual(['a0', 'b5', 'a2', 'b6']);
});

test('a claim of another ends it only after its own, and its own that comes again does not count anew', () => {
  const { listener, claim } = aListener();
  const [earlier, later] = [newSender(), newSender()];
  expect(claim(earlier)).toBe(true);
  expect(claim(listener.claimant)).toBe(true);
  expect(claim(earlier)).toBe(true);
  expect(claim(later)).toBe(false);
  expect(claim(listener.claimant)).toBe(true);
});

test('what is no parcel is told and dropped', () => {
  const { listener, heard, faults } = aListener();
  for (const bytes of ['', 'x', '\x00short', '\x07'.repeat(40)])
    expect(listener.receive(Buffer.from(bytes))).toBe(true);
  expect(heard).toEqual([]);
  expect(faults).toHaveLength(4);
});
