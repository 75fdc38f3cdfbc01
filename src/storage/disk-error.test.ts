import { expect, test } from 'vitest';
import { LapisError } from '../protocol/errors.ts';
import { diskError } from './disk-error.ts';

test.each([
  ['QuotaExceededError', /is full\.$/],
  ['InvalidStateError', /^The disk refuses to write \(InvalidStateError\): it may be full, damaged or gone\.$/],
  ['UnknownError', /\(UnknownError\)/],
])('a write that fails with %s is a sentence about the disk', (name, sentence) => {
  const cause = new DOMException('Failed to write to the access handle.', name);
  const error = diskError(cause);
  expect(error).toBeInstanceOf(LapisError);
  expect(error).toMatchObject({ code: 'quota', message: expect.stringMatching(sentence), cause });
});

test.each([
  ['a locked file', new DOMException('locked', 'NoModificationAllowedError')],
  ['a defect', new TypeError('x is undefined')],
  ['what has a sentence already', new LapisError('corrupt', 'The file is missing.')],
])('%s is no fault of the disk', (_what, error) => {
  expect(diskError(error)).toBe(error);
});
