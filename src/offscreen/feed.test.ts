import { expect, test } from 'vitest';
import { Feed } from './feed.ts';

test('a reader gets the first value, then what changes; one that is behind gets it merged', async () => {
  const feed = new Feed<string>((pending, next) => pending + next);
  const reader = feed.watch('first').getReader();
  expect((await reader.read()).value).toBe('first');
  const next = reader.read();
  feed.publish('a');
  expect((await next).value).toBe('a');
  feed.publish('b');
  feed.publish('c');
  expect((await reader.read()).value).toBe('bc');
});

test('a reader that left costs nothing and wakes nobody', async () => {
  const feed = new Feed<string>((_, next) => next);
  const reader = feed.watch('first').getReader();
  await reader.read();
  const pending = reader.read();
  await reader.cancel();
  feed.publish('late');
  expect(await pending).toEqual({ done: true, value: undefined });
});
