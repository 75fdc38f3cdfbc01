// @ts-check
import { spawn } from 'node:child_process';
import { SetupError } from './say.mjs';

/**
 * Runs a program without stdin, its output on stderr unless told otherwise.
 * @param {string} program
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, output?: 'stderr' | 'stdout' | 'on failure' | 'never'}} [options]
 * @returns {Promise<number>} the exit status; 127 when there is no such program
 */
export function execute(program, args, { cwd, env, output = 'stderr' } = {}) {
  const stream = output === 'stderr' ? process.stderr : output === 'stdout' ? process.stdout : 'pipe';
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', stream, stream] });
    /** @type {Buffer[]} */
    const parts = [];
    child.stdout?.on('data', (part) => parts.push(part));
    child.stderr?.on('data', (part) => parts.push(part));
    child.on('error', () => resolve(127));
    child.on('close', (code) => {
      if (code !== 0 && output === 'on failure') process.stderr.write(Buffer.concat(parts));
      resolve(code ?? 1);
    });
  });
}

/**
 * Runs npm: the one that started this process, else the one on PATH.
 * @param {string[]} args
 * @param {string} cwd
 */
export async function npm(args, cwd) {
  const cli = process.env.npm_execpath;
  // `npm start -s` hands its silence down, which would hide why an installation fails.
  const options = { cwd, env: { npm_config_loglevel: 'error' } };
  let status;
  if (cli && /npm-cli\.[cm]?js$/.test(cli)) status = await execute(process.execPath, [cli, ...args], options);
  else if (process.platform === 'win32') status = await execute('cmd.exe', ['/d', '/c', 'npm', ...args], options);
  else status = await execute('npm', args, options);
  if (status !== 0) throw new SetupError(`npm ${args[0]} failed: see above. Is the network there?`);
}
