import type { Tokenizer } from '../model/tokenizer.ts';
import { StopStrings } from './stop-strings.ts';

/** Text of generated ids as it becomes certain: whole characters only, cut at the first stop string. */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  // Holds back an incomplete sequence; bytes that are no UTF-8 become U+FFFD and what follows them is read as usual.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #stops: StopStrings;

  constructor(tokenizer: Tokenizer, stops: readonly string[] = []) {
    this.#tokenizer = tokenizer;
    this.#stops = new StopStrings(stops);
  }

  push(id: number): { text: string; stopped: boolean } {
    return this.#stops.push(this.#decoder.decode(this.#tokenizer.bytes(id), { stream: true }));
  }

  /** What was held back for a stop string that did not come. Half a character at the end is dropped. */
  flush(): string {
    return this.#stops.flush();
  }
}
