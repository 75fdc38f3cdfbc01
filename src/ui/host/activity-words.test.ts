import { expect, test } from 'vitest';
import type { Running } from './activity-words.ts';
import { activityDetail, activityWords, shortActivityWords } from './activity-words.ts';

const activity = (change: Partial<Running>): Running => ({
  kind: 'loading',
  modelId: 'demo',
  bytesDone: 4e6,
  bytesTotal: 8e6,
  ...change,
});
const words = (change: Partial<Running>) => {
  const running = activity(change);
  return [activityWords(running), shortActivityWords(running), activityDetail(running)];
};

test('an activity says what it does, and how far it is', () => {
  expect(words({})).toEqual(['Loading', 'Loading…', '4.00 MB of 8.00 MB']);
  expect(words({ kind: 'storing' })[0]).toBe('Storing');
  expect(words({ bytesDone: 0, bytesTotal: 0 })).toEqual(['Loading', 'Loading…', '']);
});

test('once all of a model is read, it is made ready', () => {
  const ready = 'All of it is read. It is being made ready on the GPU.';
  expect(words({ bytesDone: 8e6 })).toEqual(['Preparing', 'Preparing…', ready]);
  expect(words({ kind: 'probing', bytesDone: 8e6 })).toEqual(['Trying out', 'Trying out…', ready]);
  expect(words({ kind: 'exporting', bytesDone: 8e6 })[2]).toBe('8.00 MB of 8.00 MB');
});

test('one that was cancelled says so until it has ended', () => {
  expect(words({ cancelling: true })).toEqual(['Loading', 'Cancelling…', 'It ends after the step that is under way.']);
});
