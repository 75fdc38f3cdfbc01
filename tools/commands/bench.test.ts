import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { runCommandLine } from '../command-line.ts';

const MODEL = fileURLToPath(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url));
const SHORT = ['--prompt-tokens', '4', '--decode-tokens', '3', '--runs', '1'];

/** The object that `bench --json` promises. */
const KEYS = [
  'adapter',
  'features',
  'model',
  'promptTokens',
  'decodeTokens',
  'runs',
  'prefillTokensPerSecond',
  'decodeTokensPerSecond',
  'interTokenMs',
  'firstTokenMs',
  'loadMs',
  'bytesPerToken',
  'flopsPerToken',
  'dispatchesPerToken',
  'cpuMsPerToken',
  'gpuBytes',
  'floorGBps',
  'floorShare',
];

afterEach(() => vi.restoreAllMocks());

async function bench(...flags: string[]): Promise<string> {
  let out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += chunk;
    return true;
  });
  let err = '';
  const collect = (text: string) => {
    err += text;
  };
  const table = { bench: () => import('./bench.ts') };
  const args = ['bench', MODEL, ...SHORT, ...flags];
  const code = await runCommandLine(table, args, new AbortController().signal, { out: collect, err: collect });
  expect([code, err]).toEqual([0, '']);
  return out;
}

test('bench --json gives every figure that it promises, and no other', async () => {
  const result = JSON.parse(await bench('--json', '--sessions', '2', '--context', '5'));
  expect(Object.keys(result)).toEqual(KEYS);
  const { adapter, features, model, interTokenMs, ...figures } = result;
  for (const [name, figure] of Object.entries(figures)) expect(figure, name).toBeGreaterThan(0);
  expect(interTokenMs.p95).toBeGreaterThanOrEqual(interTokenMs.p50);
  expect(figures).toMatchObject({ promptTokens: 4, decodeTokens: 3, runs: 1 });
  expect(adapter.description).toMatch(/\w/);
  expect(features).toEqual(expect.any(Array));
  expect(model).toMatch(/small-Q8_0/);
});

test('the table says what its figures are of; --profile adds the time of each kernel, and what they take together', async () => {
  const text = await bench('--profile', '--sessions', '2', '--context', '5');
  expect(text).toMatch(/^adapter +.+ \(\w+\)$/m);
  expect(text).toMatch(/^prefill +[\d.]+ tok\/s \(4 tokens after 5\)$/m);
  expect(text).toMatch(/^decode +[\d.]+ tok\/s \(3 tokens in each of 2 sessions, all together\)$/m);
  expect(text).toMatch(/^between tokens .*; tokens that come together share their time$/m);
  for (const phase of ['prefill of 4 tokens', 'one decoded token']) {
    const lines = text.split(`${phase}, time a kernel`)[1]!.split('\n\n')[0]!.trimEnd().split('\n').slice(1);
    const parsed = lines.map((line) => /^ +([\d.]+) ms +([\d.]+) % {2}(.+)$/.exec(line)!);
    const together = parsed.pop()!;
    expect([together[2], together[3]]).toEqual(['100.0', 'together']);
    expect(parsed.map(([, , , kernel]) => kernel).join()).toMatch(/ffn_down/);
    const sum = parsed.reduce((total, [, ms]) => total + Number(ms), 0);
    expect(sum).toBeCloseTo(Number(together[1]), 1);
  }
});

test('bench --without-subgroups asks the adapter for no subgroups', async () => {
  const { features } = JSON.parse(await bench('--json', '--without-subgroups'));
  expect(features).not.toContain('subgroups');
});
