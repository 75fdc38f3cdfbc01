import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { RunResult } from '../../tools/run-options.ts';
import { ROOT } from '../project/sources.ts';
import { findChromium } from './harness.ts';

/* `npm start -s -- --prompt`, as a person types it. */

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(args: string[], { env = {}, interruptAt }: { env?: NodeJS.ProcessEnv; interruptAt?: RegExp } = {}) {
  return new Promise<Ended>((resolve) => {
    const child = spawn(process.execPath, ['tools/start.mjs', ...args], {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
      if (interruptAt?.test(stderr)) child.kill('SIGINT');
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

describe.skipIf(!findChromium())('npm start', { timeout: 180_000 }, () => {
  test('answers a prompt on stdout through the extension: blue', async () => {
    const { code, stdout } = await start(['--prompt', 'The color of the sky is', '--raw']);
    expect(stdout).toMatch(/^ blue\b.*\n$/s);
    expect(code).toBe(0);
  });

  test('says with --json what was computed and on what', async () => {
    const { code, stdout } = await start(['--prompt', 'What color is the sky?', '--max-tokens', '16', '--json']);
    const result = JSON.parse(stdout) as RunResult;
    expect(result.text).toContain('blue');
    expect(result.promptTokens[0]).toBe(2);
    expect(result.tokens.length).toBeGreaterThan(0);
    expect(result.model.id).toBe('demo');
    expect(result.adapter.architecture).not.toBe('');
    expect(Object.keys(result.timings).sort()).toEqual([
      'decodeTokensPerSecond',
      'firstTokenMs',
      'loadMs',
      'prefillMs',
    ]);
    expect(code).toBe(0);
  });

  test('takes a model from disk', async () => {
    const model = 'tests/goldens/reference/small-Q8_0.gguf';
    const { code, stdout, stderr } = await start(['--prompt', 'a', '--raw', '--max-tokens', '1', '--model', model]);
    expect(stderr).toContain('Importing');
    expect(stdout).toMatch(/\n$/);
    expect(code).toBe(0);
  });

  test('fails with one sentence for a file that is no model', async () => {
    const { code, stdout, stderr } = await start(['--prompt', 'a', '--model', 'package.json']);
    expect(stderr.trim().split('\n').at(-1)).toBe('This is not a GGUF file: it does not begin with "GGUF".');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  test('ends in order when it is interrupted', async () => {
    const args = ['--prompt', 'Count.', '--max-tokens', '500', '--model', 'tests/goldens/reference/small-Q8_0.gguf'];
    const { code } = await start(args, { interruptAt: /Importing/ });
    expect(code).toBe(130);
  });

  test('exits 2 with the usage for a wrong flag', async () => {
    const { code, stdout, stderr } = await start(['--prompt', 'a', '--temperature', 'hot']);
    expect(stderr).toContain('usage: npm start');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test.runIf(process.platform === 'linux')('says that there is no display, and names the headless form', async () => {
    const { code, stderr } = await start([], { env: { DISPLAY: '', WAYLAND_DISPLAY: '' } });
    expect(stderr).toContain('npm start -s -- --prompt');
    expect(code).toBe(1);
  });
});
