import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LapisError } from '../../src/protocol/errors.ts';
import type { Command } from '../command-line.ts';
import { runProgram } from '../process.ts';
import { RUN_OPTIONS, RUN_USAGE, toRequest } from '../run-options.ts';
import { ensureBrowser } from '../setup/browser.mjs';
import { ensureBuilt } from '../setup/build.mjs';
import { UsageError } from '../usage-error.ts';
import { answerPrompt, type PromptOptions } from './prompt.ts';
import { hasDisplay, openWindow } from './window.ts';

/* What tools/start.mjs goes on with once the packages are installed. */

const start: Command = {
  usage: `npm start
       npm start -s -- ${RUN_USAGE}
          [--model FILE_OR_URL]
  Without a prompt: a browser window with Lapis in it. With one: the answer on stdout, from a headless browser.`,

  async run(args, { signal }) {
    const prompt = parse(args);
    if (!prompt && !hasDisplay()) {
      throw new LapisError(
        'unsupported',
        'There is no display to open a window on; headless it is: npm start -s -- --prompt "The color of the sky is" --raw',
      );
    }
    const executable = await ensureBrowser();
    const extensionDir = await ensureBuilt(fileURLToPath(new URL('../..', import.meta.url)));
    signal.throwIfAborted();
    const place = { executable, extensionDir, signal };
    await (prompt ? answerPrompt(prompt, place) : openWindow(place));
  },
};

function parse(args: string[]): PromptOptions | undefined {
  const { values } = parseArgs({ args, options: { ...RUN_OPTIONS, model: { type: 'string' } } });
  const { model, json } = values;
  if (values.prompt !== undefined) return { request: toRequest(values), model, json };
  if (args.length > 0) throw new UsageError('--prompt is missing.');
  return undefined;
}

// npm runs scripts in the package's folder; paths on the command line are relative to where the person stands.
if (process.env.npm_lifecycle_event === 'start' && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);

await runProgram('start', start);
