import type { Command } from './command-line.ts';
import { runProcess } from './process.ts';

/*
 * The command line: `npm run -s lapis -- COMMAND`, or `node build/lapis.mjs COMMAND` after `npm run build:tools`. Results go to
 * stdout, everything else to stderr.
 */

const NAMES = ['convert', 'inspect', 'run', 'logits', 'greedy', 'tokenize', 'detokenize', 'bench'] as const;

const table = Object.fromEntries(
  NAMES.map((name) => [name, async (): Promise<Command> => import(`./commands/${name}.ts`)]),
);

// npm runs scripts in the package's folder; paths on the command line are relative to where the person stands.
if (process.env.npm_lifecycle_event === 'lapis' && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);

await runProcess(table, process.argv.slice(2));
