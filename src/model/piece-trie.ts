interface Node {
  children: Map<number, Node>;
  /** Id of the piece that ends here, or -1. */
  id: number;
}

/** Pieces that are taken whole from the text before any merging, found by their longest match. */
export class PieceTrie {
  readonly #root: Node = { children: new Map(), id: -1 };

  add(piece: string, id: number): void {
    let node = this.#root;
    for (let i = 0; i < piece.length; i++) {
      const unit = piece.charCodeAt(i);
      let child = node.children.get(unit);
      if (child === undefined) {
        child = { children: new Map(), id: -1 };
        node.children.set(unit, child);
      }
      node = child;
    }
    node.id = id;
  }

  /** The longest piece that begins at `start`, as its id and its length in UTF-16 units. */
  longestAt(text: string, start: number): { id: number; length: number } | undefined {
    let node = this.#root.children.get(text.charCodeAt(start));
    let best: { id: number; length: number } | undefined;
    for (let end = start + 1; node !== undefined; end++) {
      if (node.id >= 0) best = { id: node.id, length: end - start };
      if (end === text.length) break;
      node = node.children.get(text.charCodeAt(end));
    }
    return best;
  }
}
