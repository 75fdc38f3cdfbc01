import { beforeEach, describe, expect, test } from 'vitest';
import { LapisError } from '../src/protocol/errors.ts';
import { type CommandTable, runCommandLine } from './command-line.ts';
import { UsageError } from './usage-error.ts';

let out = '';
let err = '';
beforeEach(() => {
  out = '';
  err = '';
});

const commands = (run: (args: string[], signal: AbortSignal) => void | Promise<void>): CommandTable => ({
  echo: async () => ({ usage: 'lapis echo TEXT\n', run: async (args, { signal }) => run(args, signal) }),
});

const call = (run: (args: string[], signal: AbortSignal) => void | Promise<void>, ...args: string[]) =>
  runCommandLine(commands(run), args, AbortSignal.timeout(5000), {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });

describe('runCommandLine', () => {
  test('hands the arguments after the command on', async () => {
    let seen: string[] = [];
    const code = await call(
      (args) => {
        seen = args;
      },
      'echo',
      'a',
      '--b',
    );
    expect({ code, seen, out, err }).toEqual({ code: 0, seen: ['a', '--b'], out: '', err: '' });
  });

  test('exits 2 with the usage on stderr for wrong usage', async () => {
    const code = await call(() => {
      throw new UsageError('TEXT is missing.');
    }, 'echo');
    expect({ code, out, err }).toEqual({ code: 2, out: '', err: 'TEXT is missing.\nusage: lapis echo TEXT\n' });
  });

  test('takes the errors of parseArgs for wrong usage', async () => {
    const { parseArgs } = await import('node:util');
    const code = await call((args) => void parseArgs({ args, options: {} }), 'echo', '--nonsense');
    expect(code).toBe(2);
    expect(err).toContain('--nonsense');
  });

  test('exits 1 with one line for any other error', async () => {
    const code = await call(() => {
      throw new LapisError('corrupt', 'The file\nis damaged.');
    }, 'echo');
    expect({ code, out, err }).toEqual({ code: 1, out: '', err: 'The file is damaged.\n' });
  });

  test('says in a sentence that a file is missing', async () => {
    const { readFile } = await import('node:fs/promises');
    const code = await call(async () => void (await readFile('/no/such/file')), 'echo');
    expect({ code, err }).toEqual({ code: 1, err: 'There is no file /no/such/file.\n' });
  });

  test('names the commands when there is none or an unknown one', async () => {
    expect(await call(() => {}, 'nothing')).toBe(2);
    expect(err).toContain('There is no command nothing.');
    expect(err).toContain('echo');
    expect(await call(() => {})).toBe(2);
    expect(await call(() => {}, 'toString')).toBe(2);
  });

  test('prints usages on stdout when asked', async () => {
    expect(await call(() => {}, 'echo', '--help')).toBe(0);
    expect(out).toBe('lapis echo TEXT\n');
    expect(await call(() => {}, '--help')).toBe(0);
    expect(err).toBe('');
  });

  test('exits 130 after an interrupt, whether the command throws or ends', async () => {
    const interrupt = new AbortController();
    const table = commands((_, signal) => {
      interrupt.abort();
      signal.throwIfAborted();
    });
    const silent = {
      out: () => {},
      err: (text: string) => {
        err += text;
      },
    };
    expect(await runCommandLine(table, ['echo'], interrupt.signal, silent)).toBe(130);
    expect(err).toBe('');
  });

  test('keeps Dawn toggles from the command and leaves them for the GPU', async () => {
    let seen: string[] = [];
    for (const flag of [['--dawn-features', 'a,b'], ['--dawn-features=a,b']]) {
      await call(
        (args) => {
          seen = args;
        },
        'echo',
        ...flag,
        'c',
      );
      expect(seen).toEqual(['c']);
      expect(process.env.LAPIS_DAWN_FEATURES).toBe('a,b');
    }
    delete process.env.LAPIS_DAWN_FEATURES;
  });
});
