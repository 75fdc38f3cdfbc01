import { type Command, type CommandTable, runCommandLine } from './command-line.ts';

/* What the programs of this folder do alike with arguments, signals, pipes and their end. */

/** How long the work may take to end after Ctrl-C before the process ends without it. */
const PATIENCE_MS = 3000;

/** A signal that the first Ctrl-C (or SIGTERM) aborts; the second ends the process at once. */
function abortOnInterrupt(): AbortSignal {
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (interrupt.signal.aborted) process.exit(130);
      interrupt.abort();
      setTimeout(() => process.exit(130), PATIENCE_MS).unref();
    });
  }
  return interrupt.signal;
}

/** Ends quietly when the reader of stdout has what it wanted: `lapis … | head -1`. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

/** Ends the process once stdout has taken everything. Dawn's threads would otherwise outlive the work. */
function exitWhenWritten(code: number): void {
  process.stdout.write('', () => process.exit(code));
}

/** Runs a command line as this process: it ends with it. */
export async function runProcess(table: CommandTable, args: string[]): Promise<void> {
  endWithReader();
  const code = await runCommandLine(table, args, abortOnInterrupt(), {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
  exitWhenWritten(code);
}

/** The same for a program that is one command, with the arguments of the process. */
export function runProgram(name: string, command: Command): Promise<void> {
  return runProcess({ [name]: async () => command }, [name, ...process.argv.slice(2)]);
}
