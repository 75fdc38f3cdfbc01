import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeModel } from '../../src/engine/testing/fake-model.ts';
import type { LoadOptions } from '../../src/gpu/gemma3.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import { type Command, runCommandLine } from '../command-line.ts';

/* The commands around the tokenizer and the model: what they print and how they end. The model itself is a fake. */

const fake = vi.hoisted(() => ({ load: undefined as ((options: LoadOptions) => FakeModel) | undefined, closed: 0 }));
vi.mock('../load-model.ts', () => ({
  async loadModel(_: unknown, options: LoadOptions) {
    if (!fake.load) throw new Error('Nothing was to be loaded.');
    const adapter = { vendor: 'none', architecture: 'none', description: 'a fake' };
    return { model: fake.load(options), adapter, loadMs: 1, close: () => fake.closed++ };
  },
}));

const MODEL = fileURLToPath(new URL('../../tests/goldens/reference/small-Q8_0.gguf', import.meta.url));
const table: Record<string, () => Promise<Command>> = {
  tokenize: () => import('./tokenize.ts'),
  detokenize: () => import('./detokenize.ts'),
  run: () => import('./run.ts'),
  greedy: () => import('./greedy.ts'),
  logits: () => import('./logits.ts'),
  bench: () => import('./bench.ts'),
};

let folder: string;
let out = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lapis-commands-'));
  out = '';
  fake.load = undefined;
  fake.closed = 0;
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += chunk;
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

async function lapis(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  out = '';
  let err = '';
  const collect = (text: string) => {
    err += text;
  };
  const code = await runCommandLine(table, args, new AbortController().signal, { out: collect, err: collect });
  return { code, out, err };
}

async function ids(text: string, ...flags: string[]): Promise<number[]> {
  const { code, out } = await lapis('tokenize', MODEL, '--text', text, ...flags);
  expect(code).toBe(0);
  expect(out).toMatch(/^[\d,]*\n$/);
  return out === '\n' ? [] : out.trim().split(',').map(Number);
}

/** Loads a fake that answers with `answer` after whatever was prefilled, then eos (1). */
function answer(answer: number[], seen: LoadOptions[] = []): void {
  let prompt = -1;
  fake.load = (options) => {
    seen.push(options);
    return new FakeModel({
      contextTokens: options.contextTokens,
      slotCount: options.slotCount,
      next: (tokens) => {
        if (prompt < 0) prompt = tokens.length;
        return answer[tokens.length - prompt] ?? 1;
      },
    });
  };
}

describe('tokenize and detokenize', () => {
  test.each(['The color of the sky is', '', ' é 😀\n\n\t', 'a<end_of_turn>b', '<b>x</b>'])(
    'give text back: %j',
    async (text) => {
      const tokens = (await ids(text)).join(',');
      expect(await lapis('detokenize', MODEL, '--tokens', tokens)).toEqual({ code: 0, out: `${text}\n`, err: '' });
    },
  );

  test('control strings are text unless --special, and written by detokenize', async () => {
    expect(await ids('<end_of_turn>', '--special')).toHaveLength(1);
    expect((await ids('<end_of_turn>')).length).toBeGreaterThan(1);
    expect((await lapis('detokenize', MODEL, '--tokens', '2,0,1')).out).toBe('<bos><pad><eos>\n');
  });

  test.each([
    [['tokenize', '--text', 'a'], 2, 'Which MODEL?'],
    [['tokenize', MODEL], 2, '--text is missing.'],
    [['tokenize', MODEL, '--nonsense'], 2, '--nonsense'],
    [['tokenize', '/nowhere', '--text', 'a'], 1, 'There is no model at /nowhere.'],
    [['detokenize', MODEL, '--tokens', 'x'], 2, '"x" is none'],
    [['detokenize', MODEL, '--tokens', '999999'], 1, 'Token id 999999'],
    [['detokenize', MODEL, '--tokens', '@/nowhere'], 1, '/nowhere'],
  ] as [string[], number, string][])('%j ends with %i', async (args, code, sentence) => {
    const result = await lapis(...args);
    expect(result).toMatchObject({ code, out: '' });
    expect(result.err).toContain(sentence);
  });
});

describe('run', () => {
  test('prints the text unchanged and one newline', async () => {
    const text = ' two\n lines\n\n';
    answer(await ids(text));
    expect(await lapis('run', MODEL, '--prompt', 'Say', '--raw')).toEqual({ code: 0, out: `${text}\n`, err: '' });
    expect(fake.closed).toBe(1);
  });

  test('--json prints one object with everything and no stream', async () => {
    const seen: LoadOptions[] = [];
    const tokens = await ids('blue');
    answer(tokens, seen);
    const { code, out } = await lapis('run', MODEL, '--prompt', 'Say', '--raw', '--json');
    expect(code).toBe(0);
    const promptTokens = [2, ...(await ids('Say'))];
    expect(JSON.parse(out)).toEqual({
      text: 'blue',
      promptTokens,
      tokens: [...tokens, 1],
      finishReason: 'stop',
      timings: {
        loadMs: 1,
        prefillMs: expect.any(Number),
        firstTokenMs: expect.any(Number),
        decodeTokensPerSecond: expect.any(Number),
      },
      adapter: { vendor: 'none', architecture: 'none', description: 'a fake' },
      model: { id: 'small-Q8_0', schemaVersion: expect.any(Number) },
    });
    // 64 tokens are the default.
    expect(seen[0]).toMatchObject({ slotCount: 1, contextTokens: promptTokens.length + 64 });
  });

  test('the chat format is the default, with a system text where given', async () => {
    const special = async (text: string) => [2, ...(await ids(text, '--special'))];
    answer([]);
    const plain = await lapis('run', MODEL, '--prompt', ' hi ', '--json');
    expect(JSON.parse(plain.out).promptTokens).toEqual(
      await special('<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n'),
    );
    answer([]);
    const withSystem = await lapis('run', MODEL, '--prompt', 'hi', '--system', 'Be brief.', '--json');
    expect(JSON.parse(withSystem.out).promptTokens).toEqual(
      await special('<start_of_turn>user\nBe brief.\n\nhi<end_of_turn>\n<start_of_turn>model\n'),
    );
  });

  test('--max-tokens ends with `length`', async () => {
    const tokens = await ids('abcdefgh');
    answer(tokens);
    const { out } = await lapis('run', MODEL, '--prompt', 'Say', '--raw', '--max-tokens', '2', '--json');
    expect(JSON.parse(out)).toMatchObject({ tokens: tokens.slice(0, 2), finishReason: 'length' });
  });

  test.each([
    [['run', MODEL], 2, '--prompt is missing.'],
    [['run', MODEL, '--prompt', 'a', '--top-p', '2'], 2, '--top-p takes a number from 0 to 1'],
    [['run', MODEL, '--prompt', 'a', '--max-tokens', '0'], 2, '--max-tokens takes a whole number of at least 1'],
    [['run', MODEL, '--prompt', 'a', '--raw', '--system', 'b'], 2, '--system belongs to the chat format'],
    [['run', MODEL, '--prompt', 'a '.repeat(40_000)], 1, 'but the context holds'],
  ] as [string[], number, string][])('ends before any load %#', async (args, code, sentence) => {
    const result = await lapis(...args);
    expect(result).toMatchObject({ code, out: '' });
    expect(result.err).toContain(sentence);
  });

  test('an error of the model is one line and exit code 1', async () => {
    fake.load = (options) => {
      const model = new FakeModel({ contextTokens: options.contextTokens, next: () => 5 });
      model.fail(new LapisError('device-lost', 'The GPU was reset.'));
      return model;
    };
    expect(await lapis('run', MODEL, '--prompt', 'a')).toEqual({ code: 1, out: '', err: 'The GPU was reset.\n' });
    expect(fake.closed).toBe(1);
  });
});

describe('greedy', () => {
  test('prints ids up to a stop token, which is last', async () => {
    answer([7, 8, 9]);
    expect(await lapis('greedy', MODEL, '--tokens', '2,5', '--max-tokens', '10')).toEqual({
      code: 0,
      out: '7,8,9,1\n',
      err: '',
    });
    answer([7, 8, 9]);
    expect((await lapis('greedy', MODEL, '--tokens', '2,5', '--max-tokens', '2')).out).toBe('7,8\n');
  });

  test('--ignore-eos goes on', async () => {
    answer([7, 1, 9]);
    expect((await lapis('greedy', MODEL, '--tokens', '2', '--max-tokens', '5', '--ignore-eos')).out).toBe(
      '7,1,9,1,1\n',
    );
  });

  test.each([
    [['greedy', MODEL, '--tokens', '2'], 2, '--max-tokens is missing.'],
    [['greedy', MODEL, '--max-tokens', '2'], 2, '--tokens is missing.'],
    [['greedy', MODEL, '--tokens', '', '--max-tokens', '2'], 2, 'at least one id'],
    [['greedy', MODEL, '--tokens', '2', '--max-tokens', '9999999'], 1, 'do not fit the context of'],
  ] as [string[], number, string][])('%j ends with %i', async (args, code, sentence) => {
    const result = await lapis(...args);
    expect(result).toMatchObject({ code, out: '' });
    expect(result.err).toContain(sentence);
  });
});

describe('logits', () => {
  const floats = async (name: string) => {
    const bytes = await readFile(join(folder, name));
    return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  };

  test('of the last token, or of all', async () => {
    answer([]);
    expect(await lapis('logits', MODEL, '--tokens', '2,5,6', '--out', join(folder, 'last'))).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    expect(await floats('last')).toEqual([3, 6]);
    answer([]);
    await lapis('logits', MODEL, '--tokens', '2,5,6', '--at', 'all', '--out', join(folder, 'all'));
    expect(await floats('all')).toEqual([1, 2, 2, 5, 3, 6]);
  });

  test('wrong usage', async () => {
    expect((await lapis('logits', MODEL, '--tokens', '2')).err).toContain('--out is missing.');
    expect((await lapis('logits', MODEL, '--tokens', '2', '--out', 'x', '--at', 'first')).code).toBe(2);
  });

  test('a file that cannot be written is refused before the load', async () => {
    const refusal = async (out: string) => (await lapis('logits', MODEL, '--tokens', '2', '--out', out)).err;
    expect(await refusal(join(folder, 'none', 'x'))).toBe(`There is no folder ${join(folder, 'none')}.\n`);
    expect(await refusal(folder)).toBe(`${folder} is a folder.\n`);
  });
});

describe('bench', () => {
  test.each([
    ['--context', '4100 + 64 + 128'],
    ['--prompt-tokens', '0 + 4100 + 128'],
    ['--decode-tokens', '0 + 64 + 4100'],
  ])('more tokens than the context by %s are refused before the load', async (flag, tokens) => {
    expect(await lapis('bench', MODEL, flag, '4100')).toEqual({
      code: 1,
      out: '',
      err: `${tokens} tokens (before the prompt, the prompt, decoded) do not fit the model's context of 4096.\n`,
    });
  });

  test('an unknown synthetic model is wrong usage, and the known ones are named', async () => {
    for (const name of ['foo', 'toString']) {
      const { code, err } = await lapis('bench', `synthetic:${name}`);
      expect(code).toBe(2);
      expect(err.split('\n')[0]).toBe(
        `There is no synthetic model ${name}; there are gemma-3-270m-q8_0, gemma-3-1b-q4_k_m, gemma-3-4b-q4_k_m.`,
      );
    }
  });
});
