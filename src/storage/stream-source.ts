import type { ByteSource } from '../model/byte-source.ts';
import { checkRange } from '../model/byte-source.ts';

/**
 * A byte stream whose beginning can be read at random before the whole is read once: a header tells how the rest is to be cut.
 * What has been read for the header stays in memory until `all()` hands it on.
 */
export class StreamSource implements ByteSource {
  readonly size: number;
  readonly #stream: AsyncIterator<Uint8Array>;
  #head = new Uint8Array(0);
  #filled = 0;

  constructor(stream: AsyncIterable<Uint8Array>, size: number) {
    this.#stream = stream[Symbol.asyncIterator]();
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    while (this.#filled < offset + length) {
      const { done, value } = await this.#stream.next();
      if (done) checkRange(this.#filled, offset, length);
      else this.#append(value);
    }
    return this.#head.slice(offset, offset + length);
  }

  /** Every byte from the start, once. */
  async *all(): AsyncGenerator<Uint8Array> {
    yield this.#head.subarray(0, this.#filled);
    this.#head = new Uint8Array(0);
    yield* { [Symbol.asyncIterator]: () => this.#stream };
  }

  /** Gives the stream up, so that its connection is closed. */
  async cancel(): Promise<void> {
    await this.#stream.return?.();
  }

  #append(piece: Uint8Array): void {
    const needed = this.#filled + piece.length;
    if (needed > this.#head.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#head.length));
      grown.set(this.#head.subarray(0, this.#filled));
      this.#head = grown;
    }
    this.#head.set(piece, this.#filled);
    this.#filled = needed;
  }
}
