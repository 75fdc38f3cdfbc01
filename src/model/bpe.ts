/** What merging needs of a vocabulary. */
export interface BpeVocabulary {
  /** Normal pieces only, so that merging never builds a control, byte or user-defined piece. */
  ids: ReadonlyMap<string, number>;
  /** Of each id; the higher score merges first. */
  scores: ArrayLike<number>;
  /** UTF-16 units of the longest normal piece. */
  longest: number;
}

/**
 * SentencePiece's BPE over `text`: starts from code points and always merges the neighbours whose joined piece has the highest
 * score, the leftmost first among equals, until no neighbours form a piece. O(n log n) with a heap of candidates.
 *
 * Calls `emit` for each piece in order with its id (-1 for a code point that is no piece) and its place in `text`.
 */
export function bpe(
  text: string,
  vocabulary: BpeVocabulary,
  emit: (id: number, start: number, end: number) => void,
): void {
  const units = text.length;
  if (units === 0) return;
  // A symbol is named by where it starts; `end` 0 marks one that was merged into its left neighbour.
  const end = new Int32Array(units);
  const previous = new Int32Array(units);
  const ids = new Int32Array(units);
  let symbols = 0;
  let last = -1;
  for (let start = 0; start < units; ) {
    const next = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
    end[start] = next;
    previous[start] = last;
    ids[start] = vocabulary.ids.get(text.slice(start, next)) ?? -1;
    last = start;
    start = next;
    symbols++;
  }
  // Every merge removes one symbol and offers at most two new pairs.
  const heap = new MergeHeap(3 * symbols);
  const offer = (left: number, right: number): void => {
    if (left < 0 || right >= units) return;
    const to = end[right];
    if (to - left > vocabulary.longest) return;
    const id = vocabulary.ids.get(text.slice(left, to));
    if (id !== undefined) heap.push(vocabulary.scores[id], left, right, to, id);
  };
  for (let left = 0; left < units; left = end[left]) offer(left, end[left]);

  for (let merge = heap.pop(); merge >= 0; merge = heap.pop()) {
    const left = heap.left[merge];
    const right = heap.right[merge];
    const to = heap.end[merge];
    // Stale when either side has been merged otherwise since.
    if (end[left] !== right || end[right] !== to) continue;
    end[left] = to;
    end[right] = 0;
    ids[left] = heap.id[merge];
    if (to < units) previous[to] = left;
    offer(previous[left], left);
    offer(left, to);
  }
  for (let start = 0; start < units; start = end[start]) emit(ids[start], start, end[start]);
}

/** A binary heap of merges in typed arrays; an entry is named by its index and never reused. */
class MergeHeap {
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly end: Int32Array;
  readonly id: Int32Array;
  readonly #score: Float64Array;
  readonly #order: Int32Array;
  #entries = 0;
  #size = 0;

  constructor(capacity: number) {
    this.left = new Int32Array(capacity);
    this.right = new Int32Array(capacity);
    this.end = new Int32Array(capacity);
    this.id = new Int32Array(capacity);
    this.#score = new Float64Array(capacity);
    this.#order = new Int32Array(capacity);
  }

  push(score: number, left: number, right: number, end: number, id: number): void {
    const entry = this.#entries++;
    this.#score[entry] = score;
    this.left[entry] = left;
    this.right[entry] = right;
    this.end[entry] = end;
    this.id[entry] = id;
    const order = this.#order;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(entry, order[parent])) break;
      order[at] = order[parent];
      at = parent;
    }
    order[at] = entry;
  }

  /** The index of the first merge, or -1. */
  pop(): number {
    if (this.#size === 0) return -1;
    const order = this.#order;
    const top = order[0];
    const moved = order[--this.#size];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(order[child + 1], order[child])) child++;
      if (!this.#before(order[child], moved)) break;
      order[at] = order[child];
      at = child;
    }
    order[at] = moved;
    return top;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#score[a] - this.#score[b];
    return difference > 0 || (difference === 0 && this.left[a] < this.left[b]);
  }
}
