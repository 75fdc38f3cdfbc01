import { expect, test } from 'vitest';
import type { DownloadState } from '../../protocol/host.ts';
import { phaseWords } from './download-words.ts';

const RETRYING: DownloadState = {
  modelId: 'a',
  name: 'A',
  phase: 'retrying',
  host: 'huggingface.co',
  bytesDone: 0,
  bytesTotal: 9,
  retryAt: 5_000,
};

test('a download that is tried again says whether it had begun', () => {
  expect(phaseWords(RETRYING, 0)).toBe('Could not begin; next try in 5 s');
  expect(phaseWords(RETRYING, 5_000)).toBe('Could not begin; trying again…');
  expect(phaseWords({ ...RETRYING, bytesDone: 1 }, 0)).toBe('Interrupted; next try in 5 s');
  expect(phaseWords({ ...RETRYING, bytesDone: 1, retryAt: undefined }, 0)).toBe('Interrupted; trying again…');
});
