import { describe, expect, test } from 'vitest';
import type { BenchmarkResult } from '../../protocol/benchmark.ts';
import type { HostStatus } from '../../protocol/host.ts';
import { browserName } from './browser-name.ts';
import { reportText } from './report.ts';

const STATUS: HostStatus = {
  adapter: { vendor: 'nvidia', architecture: 'ampere', description: 'RTX 3080 Ti, driver 555.1' },
  softwareAdapter: false,
  features: ['subgroups', 'shader-f16'],
  loadedModelId: 'gemma-3-1b-it-q4_k_m',
  selectedModelId: 'gemma-3-1b-it-q4_k_m',
  activity: { kind: 'none' },
  downloads: [],
  models: 1,
  notices: [{ at: 1, text: 'Gemma 3 270M was removed.' }],
  kernelNotice: 'Slower kernels are used.',
  suspect: 'It said “green”.',
  storage: { usedBytes: 8e8, freeBytes: 1e9 },
  gpuBytes: 912_000_000,
  schemaVersion: 3,
};

const RESULT: BenchmarkResult = {
  adapter: STATUS.adapter!,
  features: ['subgroups'],
  model: 'gemma-3-1b-it-q4_k_m',
  promptTokens: 64,
  decodeTokens: 128,
  runs: 5,
  prefillTokensPerSecond: 1234.5,
  decodeTokensPerSecond: 81.26,
  interTokenMs: { p50: 12.31, p95: 15.5 },
  firstTokenMs: 51.84,
  loadMs: 2345,
  bytesPerToken: 799_500_000,
  flopsPerToken: 2e9,
  dispatchesPerToken: 159,
  gpuBytes: 912_000_000,
  floorGBps: 250,
  floorShare: 0.26,
};

describe('the text to copy', () => {
  test('has all that a bug report needs', () => {
    const text = reportText({ version: '0.1.0', browser: 'Chrome 156', status: STATUS }, RESULT);
    for (const part of [
      'Lapis: 0.1.0',
      'Browser: Chrome 156',
      'GPU: nvidia · ampere · RTX 3080 Ti, driver 555.1',
      'GPU features in use: subgroups, shader-f16',
      'Model in use: gemma-3-1b-it-q4_k_m',
      'Weights schema: 3',
      'Stored models and downloads: 800 MB',
      'Notice: Gemma 3 270M was removed.',
      'Notice: Slower kernels are used.',
      'Notice: It said “green”.',
      'Reading a prompt: 1235 tokens/s (64 tokens)',
      'Writing: 81.3 tokens/s (128 tokens)',
      'Between tokens: 12.31 ms (half of them), 15.50 ms (19 of 20); tokens that come together share their time',
      'First token after: 51.84 ms',
      'Memory bandwidth: 250.0 GB/s, of which writing reaches 26.0 %',
    ]) {
      expect(text.split('\n')).toContain(part);
    }
    expect(text).not.toContain('CPU');
  });

  test('says so when nothing was measured, and what went wrong', () => {
    const error = { code: 'no-gpu' as const, message: 'There is no GPU.' };
    const text = reportText({ version: '0.1.0', browser: 'Chrome 156', error }, undefined);
    expect(text).toContain('Speed: not measured');
    expect(text).toContain('Last error: no-gpu: There is no GPU.');
    expect(text).toContain('GPU: not asked for until a model loads');
  });

  test("a hostile model's name stays in its line", () => {
    const status = { ...STATUS, loadedModelId: 'file:x\nGPU: none' };
    const text = reportText({ version: '0.1.0', browser: 'Chrome 156', status }, { ...RESULT, model: 'a\nb' });
    expect(text.split('\n')).toContain('Model in use: file:x GPU: none');
    expect(text.split('\n')).toContain('Model: a b');
  });
});

test('a browser says its full version and its system where it can', async () => {
  const fullVersionList = [
    { brand: 'Not_A Brand', version: '8.0.0.0' },
    { brand: 'Chromium', version: '156.0.1.2' },
  ];
  const values = { fullVersionList, platform: 'Linux', platformVersion: '6.1', architecture: 'x86', bitness: '64' };
  const userAgentData = { getHighEntropyValues: async () => values };
  expect(await browserName({ userAgent: 'Mozilla', userAgentData })).toBe('Chromium 156.0.1.2; Linux 6.1 x86 64 bit');
  expect(await browserName({ userAgent: 'Mozilla' })).toBe('Mozilla');
  const refusing = { getHighEntropyValues: () => Promise.reject(new Error('no')) };
  expect(await browserName({ userAgent: 'Mozilla', userAgentData: refusing })).toBe('Mozilla');
});
