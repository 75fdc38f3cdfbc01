import { LapisError } from '../protocol/errors.ts';
import type { WholeHash } from './whole-hash.ts';

/** Whatever has been stored of a file so far. */
export interface StoredBytes {
  /** Fills `into` with the bytes from `offset`, and returns how many there were. */
  read(into: Uint8Array<ArrayBuffer>, offset: number): Promise<number>;
}

/** Pieces that the hash has or is about to get: one to work on and one more, so that it never waits. */
const DEPTH = 2;

/**
 * Hashes a file behind its storing, from the first byte on, at whatever speed the hash has. A piece that is next in line is
 * handed over as it is written; what the hash had no time for, or what an earlier attempt had stored, is read back. So neither
 * the network waits for the hash nor does memory grow.
 */
export class HashFollower {
  readonly #hash: WholeHash;
  readonly #source: StoredBytes;
  readonly #pieceBytes: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #stored = 0;
  /** Where the next piece for the hash begins. */
  #next = 0;
  #inFlight = 0;
  #reading = false;
  #error: unknown;
  #ended: { at: number; resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(hash: WholeHash, source: StoredBytes, pieceBytes: number) {
    this.#hash = hash;
    this.#source = source;
    this.#pieceBytes = pieceBytes;
  }

  /** A buffer of a piece's size to fill. */
  buffer(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(this.#pieceBytes);
  }

  /**
   * Says that the file is stored up to byte `stored`, and that `piece` is its end. Returns true when the piece's buffer was
   * taken.
   */
  follow(stored: number, piece?: Uint8Array<ArrayBuffer>): boolean {
    this.#stored = stored;
    if (piece && !this.#reading && this.#inFlight < DEPTH && this.#next === stored - piece.length) {
      this.#send(piece);
      return true;
    }
    void this.#catchUp();
    return false;
  }

  /** The hash of the first `bytes` bytes, once it has got there. */
  async hex(bytes: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#ended = { at: bytes, resolve, reject };
      this.#settle();
    });
    return this.#hash.hex();
  }

  /** Ends it; whoever waits for the hash gets `reason`. */
  close(reason: LapisError = new LapisError('aborted', 'The hashing was ended.')): void {
    this.#error ??= reason;
    this.#settle();
    this.#hash.close();
  }

  async #catchUp(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#next < this.#stored && this.#inFlight < DEPTH && this.#error === undefined) {
        const buffer = this.buffer();
        const wanted = Math.min(buffer.length, this.#stored - this.#next);
        const read = await this.#source.read(buffer.subarray(0, wanted), this.#next);
        if (read === 0) throw new LapisError('corrupt', `What was stored ends at byte ${this.#next}.`);
        this.#send(buffer.subarray(0, read));
      }
    } catch (error) {
      this.#error = error;
    } finally {
      this.#reading = false;
    }
    this.#settle();
  }

  #send(piece: Uint8Array<ArrayBuffer>): void {
    this.#inFlight++;
    this.#next += piece.length;
    this.#hash.update(piece).then(
      (buffer) => {
        this.#inFlight--;
        this.#free.push(buffer);
        this.#settle();
        void this.#catchUp();
      },
      (error) => {
        this.#error = error;
        this.#settle();
      },
    );
  }

  #settle(): void {
    if (!this.#ended) return;
    if (this.#error !== undefined) this.#ended.reject(this.#error);
    else if (this.#inFlight === 0 && this.#next === this.#ended.at) this.#ended.resolve();
  }
}
