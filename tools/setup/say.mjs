// @ts-check
/** Progress and notes go to stderr: stdout is for results. @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** A failure whose message is all that a person needs. */
export class SetupError extends Error {}
