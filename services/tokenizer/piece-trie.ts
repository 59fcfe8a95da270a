const none = -1;

/** The pieces of a vocabulary by their characters, all of which are ASCII, so that the longest match costs its length. */
export class PieceTrie {
  readonly root: number = 0;
  /** By node: the id of the piece that ends there, or -1. */
  readonly #ids: number[] = [none];
  /** Pairs of an edge (node and character) and the node it leads to, by the hash of the edge; at most half full. */
  #edges = new Int32Array(1 << 11).fill(none);
  #shift = 32 - 10;

  /** The piece is not empty. */
  add(piece: string, id: number): void {
    let node = this.root;
    for (let at = 0; at < piece.length; at += 1) node = this.#enter(node, piece.charCodeAt(at));
    this.#ids[node] = id;
  }

  /** Undefined when no piece goes on like this. */
  next(node: number, unit: number): number | undefined {
    const edge = node * 128 + unit;
    const slot = this.#slotOf(edge);
    return this.#edges[slot] === edge ? this.#edges[slot + 1] : undefined;
  }

  /** Of the piece that ends at this node. */
  idAt(node: number): number | undefined {
    const id = this.#ids[node];
    return id === none ? undefined : id;
  }

  #enter(node: number, unit: number): number {
    const known = this.next(node, unit);
    if (known !== undefined) return known;
    const added = this.#ids.push(none) - 1;
    if (added * 4 > this.#edges.length) this.#grow();
    this.#put(node * 128 + unit, added);
    return added;
  }

  #put(edge: number, node: number): void {
    const slot = this.#slotOf(edge);
    this.#edges[slot] = edge;
    this.#edges[slot + 1] = node;
  }

  /** Where the edge is, or would be. */
  #slotOf(edge: number): number {
    const edges = this.#edges;
    let slot = (Math.imul(edge, 0x9e3779b1) >>> this.#shift) * 2;
    while (edges[slot] !== none && edges[slot] !== edge) slot = (slot + 2) & (edges.length - 1);
    return slot;
  }

  #grow(): void {
    const old = this.#edges;
    this.#edges = new Int32Array(old.length * 2).fill(none);
    this.#shift -= 1;
    for (let slot = 0; slot < old.length; slot += 2) {
      if (old[slot] !== none) this.#put(old[slot] as number, old[slot + 1] as number);
    }
  }
}
