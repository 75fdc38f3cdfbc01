import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/* The programs as a person runs them. What the commands do is tested beside each. */

const root = fileURLToPath(new URL('..', import.meta.url));
const DEMO = join(root, 'extension/models/demo');
const SMALL = join(root, 'tests/goldens/reference/small-Q8_0.gguf');

let folder: string;

function node(args: string[], cwd: string): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 2 ** 24 }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

/** In the folder of the build, where there are no packages. */
const lapis = (...args: string[]) => node(['lapis.mjs', ...args], folder);
const convertCli = (...args: string[]) =>
  node([join(root, 'node_modules/tsx/dist/cli.mjs'), 'tools/convert-cli.ts', ...args], root);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lapis-built-'));
  const { code, err } = await node(['tools/build-tools.mjs', folder], root);
  expect(code, err).toBe(0);
});
afterAll(() => rm(folder, { recursive: true }));

describe('lapis.mjs alone, without packages', () => {
  test('turns text into ids and back', async () => {
    const text = 'The color of the sky is';
    const { code, out, err } = await lapis('tokenize', DEMO, '--text', text);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^\d+(,\d+)+\n$/);
    expect(await lapis('detokenize', DEMO, '--tokens', out.trim())).toEqual({ code: 0, out: `${text}\n`, err: '' });
  });

  test('inspects a model', async () => {
    const { code, out } = await lapis('inspect', DEMO, '--json');
    expect(code).toBe(0);
    const { architecture, tensors, tokenizer, norms } = JSON.parse(out);
    expect(architecture).toBe('gemma3');
    expect(tokenizer).toMatchObject({ size: 4096, bos: 2 });
    expect(tensors).toContainEqual(expect.objectContaining({ name: 'token_embd.weight', type: 'Q8_0' }));
    expect(norms.length).toBeGreaterThan(0);
  });

  test('fails with one line for a model that is not there', async () => {
    const { code, out, err } = await lapis('inspect', 'absent.gguf');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^.*absent\.gguf.*\n$/);
  });
});

describe('the programs beside it', () => {
  const PROGRAMS = ['kernels', 'curves', 'in-browser', 'synthetic-file'];

  test.each(PROGRAMS)('%s.mjs says how it is used, asked or not', async (name) => {
    const [asked, unasked] = await Promise.all([
      node([`${name}.mjs`, '--help'], folder),
      node([`${name}.mjs`, '--nonsense'], folder),
    ]);
    expect({ code: asked.code, err: asked.err }).toEqual({ code: 0, err: '' });
    expect(asked.out).toMatch(new RegExp(`^node ${name}\\.mjs .`));
    expect({ code: unasked.code, out: unasked.out }).toEqual({ code: 2, out: '' });
    const [cause, ...usage] = unasked.err.split('\n');
    expect(cause).toContain('--nonsense');
    expect(usage.join('\n')).toBe(`usage: ${asked.out}`);
  });

  test.each([
    ['kernels nonsense', 2, 'There is no kernel nonsense.'],
    ['kernels --model toString', 2, 'There is no synthetic model toString; there are '],
    ['curves --lengths 9', 2, '--lengths takes a whole number from 65 to 32768, not "9".'],
    ['curves --lengths 256,128', 2, '--lengths are ascending.'],
    ['curves --draw /none.json', 1, 'There is no file /none.json.'],
    ['curves --draw lapis.mjs', 1, 'lapis.mjs holds no curves.'],
    ['in-browser', 2, '--model is missing.'],
    ['in-browser --model a --runs 0', 2, '--runs takes a whole number from 1 to 1000, not "0".'],
    ['in-browser --model /none', 1, 'There is no model at /none.'],
    ['in-browser --model lapis.mjs', 1, 'There is no built extension in dist.'],
    ['synthetic-file', 2, 'synthetic-file takes one OUT.'],
    ['synthetic-file --model x out', 2, 'There is no synthetic model x; there are gemma'],
    ['synthetic-file /none/out', 1, 'There is no folder /none.'],
  ])('%s exits %i', async (line, code, cause) => {
    const [name, ...args] = line.split(' ');
    const result = await node([`${name}.mjs`, ...args], folder);
    expect({ code: result.code, out: result.out }).toEqual({ code, out: '' });
    expect(result.err.startsWith(cause), result.err).toBe(true);
    expect(result.err.trimEnd().split('\n').length > 1, result.err).toBe(code === 2);
  });
});

describe('tools/convert-cli.ts', () => {
  test('does what lapis convert does', async () => {
    const [here, there] = [join(folder, 'by-lapis'), join(folder, 'by-convert-cli')];
    const [{ code }, other] = await Promise.all([lapis('convert', SMALL, here), convertCli(SMALL, there)]);
    expect([code, other.code]).toEqual([0, 0]);
    const manifest = await readFile(join(there, 'manifest.json'), 'utf8');
    expect(manifest).toBe(await readFile(join(here, 'manifest.json'), 'utf8'));
    const [{ file }] = JSON.parse(manifest).shards;
    expect((await readFile(join(there, file))).equals(await readFile(join(here, file)))).toBe(true);
  });

  test('shows the same usage for wrong arguments', async () => {
    const [mine, other] = await Promise.all([lapis('convert', SMALL), convertCli(SMALL)]);
    expect(other).toEqual(mine);
    expect(mine.code).toBe(2);
  });
});
