/** Over which the speed is taken: long enough to be steady, short enough to follow a change of network. */
const WINDOW_MS = 5_000;

/** Below this there is no speed to speak of yet. */
const FIRST_MS = 500;

/** Samples nearer than this to the one before replace it. */
const STEP_MS = 100;

/** How fast bytes have come over the last seconds. */
export class DownloadSpeed {
  /** The oldest first; the first is the last one from before the window. */
  #samples: { time: number; bytes: number }[] = [];

  /** @param bytes done in all at `time`, in milliseconds of any clock that does not jump */
  note(bytes: number, time: number): void {
    const samples = this.#samples;
    const last = samples.at(-1);
    if (last && samples.length > 1 && time - samples.at(-2)!.time < STEP_MS) samples.pop();
    samples.push({ time, bytes });
    while (samples.length > 2 && samples[1]!.time <= time - WINDOW_MS) samples.shift();
  }

  /** Undefined until there is enough to tell. A connection that stands still comes down to 0. */
  bytesPerSecond(time: number): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || time - first.time < FIRST_MS) return undefined;
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (time - first.time));
  }
}
