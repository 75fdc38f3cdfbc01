import { LapisError } from '../src/protocol/errors.ts';
import { UsageError } from './usage-error.ts';

/** What a file in tools/commands exports. */
export interface Command {
  /** The whole usage: its first line is `lapis NAME …`, without the word "usage". */
  readonly usage: string;
  run(args: string[], context: CommandContext): Promise<void>;
}

export interface CommandContext {
  /** Aborted by the first Ctrl-C. */
  signal: AbortSignal;
}

/** Every command's name → how to load it. Loaded on demand: `tokenize` needs no GPU code. */
export type CommandTable = Record<string, () => Promise<Command>>;

export interface CommandLineStreams {
  out: (text: string) => void;
  err: (text: string) => void;
}

/**
 * Runs one command line and resolves to its exit code: 0; 1 with one line on stderr; 2 with the usage on stderr; 130 after
 * Ctrl-C, as shells have it.
 */
export async function runCommandLine(
  table: CommandTable,
  args: string[],
  signal: AbortSignal,
  { out, err }: CommandLineStreams,
): Promise<number> {
  const [name, ...rest] = takeDawnFeatures(args);
  if (name === '--help' || name === '-h' || name === 'help') {
    const usages = await Promise.all(Object.values(table).map(async (load) => (await load()).usage));
    out(
      `${usages.map((usage) => usage.trimEnd()).join('\n\n')}\n\nEvery command takes --dawn-features A,B for Dawn's toggles.\n`,
    );
    return 0;
  }
  const load = name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
  if (!load) {
    err(name === undefined ? 'Which command?\n' : `There is no command ${name}.\n`);
    err(`usage: lapis COMMAND …, where COMMAND is one of ${Object.keys(table).join(', ')}; lapis --help tells more.\n`);
    return 2;
  }
  let usage = '';
  try {
    const command = await load();
    usage = command.usage.trimEnd();
    const options = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
    if (options.includes('--help') || options.includes('-h')) {
      out(`${usage}\n`);
      return 0;
    }
    await command.run(rest, { signal });
    return signal.aborted ? 130 : 0;
  } catch (error) {
    if (signal.aborted) return 130;
    if (isUsageError(error)) {
      err(`${oneLine(error.message)}\nusage: ${usage}\n`);
      return 2;
    }
    err(`${describe(error)}\n`);
    if (process.env.LAPIS_DEBUG && error instanceof Error) err(`${error.stack}\n`);
    return 1;
  }
}

/** Our own, and those of node:util's parseArgs. */
function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS_');
}

/** One line for a person, whatever was thrown. */
export function describe(error: unknown): string {
  if (error instanceof Error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (path !== undefined) {
      if (code === 'ENOENT') return `There is no file ${path}.`;
      if (code === 'EACCES' || code === 'EPERM') return `${path} may not be opened by this user.`;
      if (code === 'EISDIR') return `${path} is a folder.`;
      if (code === 'ENOSPC') return `The disk is full: ${path} cannot be written.`;
    }
  }
  return oneLine(LapisError.from(error).message);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}

/** Takes `--dawn-features A,B` out of the arguments and leaves it where openNodeGpu finds it. */
function takeDawnFeatures(args: string[]): string[] {
  const at = args.findIndex((arg) => arg === '--dawn-features' || arg.startsWith('--dawn-features='));
  if (at < 0) return args;
  const [, inline] = args[at].split('=', 2);
  process.env.LAPIS_DAWN_FEATURES = inline ?? args[at + 1] ?? '';
  return args.toSpliced(at, inline === undefined ? 2 : 1);
}
