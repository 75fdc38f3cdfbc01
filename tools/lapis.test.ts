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
