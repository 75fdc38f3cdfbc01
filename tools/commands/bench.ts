import { parseArgs } from 'node:util';
import type { BenchmarkResult } from '../../src/protocol/benchmark.ts';
import { bench } from '../bench/bench.ts';
import { syntheticModel } from '../bench/synthetic.ts';
import type { CommandContext } from '../command-line.ts';
import { modelArgument, numberFlag } from '../flags.ts';
import { openModel } from '../model-files.ts';

export const usage = `lapis bench MODEL|synthetic:NAME [--prompt-tokens N] [--decode-tokens N] [--context N] [--sessions N] [--runs N]
          [--profile] [--without-subgroups] [--json]
  Medians of prefill and decoding. NAME is gemma-3-1b-q4_k_m, gemma-3-270m-q8_0 or gemma-3-4b-q4_k_m: random weights in the real
  file's shapes and types. Defaults: 64 prompt tokens, 128 decoded, context 0, 1 session, 5 runs.`;

/** See `usage`. */
export async function run(args: string[], { signal }: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'prompt-tokens': { type: 'string' },
      'decode-tokens': { type: 'string' },
      context: { type: 'string' },
      sessions: { type: 'string' },
      runs: { type: 'string' },
      profile: { type: 'boolean', default: false },
      'without-subgroups': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const name = modelArgument(positionals);
  const count = (flag: 'prompt-tokens' | 'decode-tokens' | 'sessions' | 'runs', to: number, standard: number) =>
    numberFlag(flag, values[flag], { from: 1, to, whole: true }) ?? standard;
  const options = {
    promptTokens: count('prompt-tokens', 131_072, 64),
    decodeTokens: count('decode-tokens', 131_072, 128),
    context: numberFlag('context', values.context, { from: 0, to: 131_072, whole: true }) ?? 0,
    sessions: count('sessions', 8, 1),
    runs: count('runs', 1000, 5),
    profile: values.profile,
    withoutSubgroups: values['without-subgroups'],
    signal,
  };
  const source = name.startsWith('synthetic:')
    ? syntheticModel(name.slice('synthetic:'.length))
    : await openModel(name, signal);
  const result = await bench(source, options);
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : table(result, options));
}

function table(result: BenchmarkResult, { context, sessions }: { context: number; sessions: number }): string {
  const before = context > 0 ? ` after ${context}` : '';
  const together = sessions > 1 ? ` in each of ${sessions} sessions, all together` : '';
  const { adapter, interTokenMs } = result;
  const rows: [string, string][] = [
    ['model', result.model],
    ['adapter', `${adapter.description || adapter.architecture} (${adapter.vendor})`],
    ['features', result.features.join(', ')],
    ['prefill', `${result.prefillTokensPerSecond.toFixed(0)} tok/s (${result.promptTokens} tokens${before})`],
    ['first token', `${result.firstTokenMs.toFixed(1)} ms`],
    ['decode', `${result.decodeTokensPerSecond.toFixed(1)} tok/s (${result.decodeTokens} tokens${together})`],
    [
      'between tokens',
      `${interTokenMs.p50.toFixed(2)} ms (p50), ${interTokenMs.p95.toFixed(2)} ms (p95); tokens that come together share their time`,
    ],
    ['load', `${result.loadMs.toFixed(0)} ms`],
    [
      'weights a token',
      `${(result.bytesPerToken / 1e6).toFixed(1)} MB, ${(result.flopsPerToken / 1e9).toFixed(2)} GFLOP`,
    ],
    ['dispatches a token', result.dispatchesPerToken.toFixed(0)],
    ...(result.cpuMsPerToken === undefined
      ? []
      : [['CPU a token', `${result.cpuMsPerToken.toFixed(2)} ms`] satisfies [string, string]]),
    ['GPU memory', `${(result.gpuBytes / 1e6).toFixed(0)} MB`],
    [
      'streaming read',
      `${result.floorGBps.toFixed(1)} GB/s, of which decoding reaches ${(100 * result.floorShare).toFixed(1)} %`,
    ],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(20)}${value}`);
  const phases = { prefill: `prefill of ${result.promptTokens} tokens`, decode: 'one decoded token' };
  for (const phase of ['prefill', 'decode'] as const) {
    const kernels = result.profile?.[phase];
    if (!kernels) continue;
    const total = kernels.reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
    const line = (milliseconds: number, kernel: string) =>
      `${milliseconds.toFixed(3).padStart(10)} ms ${((100 * milliseconds) / total).toFixed(1).padStart(6)} %  ${kernel}`;
    lines.push('', `${phases[phase]}, time a kernel, each in a pass of its own`);
    for (const [kernel, milliseconds] of kernels) lines.push(line(milliseconds, kernel));
    lines.push(line(total, 'together'));
  }
  return `${lines.join('\n')}\n`;
}
