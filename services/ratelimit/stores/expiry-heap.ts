/** What ends by itself. The heap keeps its place in `heapIndex`. */
export interface Expiring {
  readonly dueAtMs: number;
  heapIndex: number;
}

/**
 * What ends first comes out first: a binary heap, whose members know their places, so that any can be taken out. Adding
 * what ends last, as with equal times to live, takes one step.
 */
export class ExpiryHeap<T extends Expiring> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  get first(): T | undefined {
    return this.#members[0];
  }

  add(member: T): void {
    this.#members.push(member);
    this.#rise(member, this.#members.length - 1);
  }

  /** The member is in this heap. */
  remove(member: T): void {
    const last = this.#members.pop();
    if (last === undefined || last === member) return;
    const index = member.heapIndex;
    this.#rise(last, index);
    if (last.heapIndex === index) this.#sink(last, index);
  }

  clear(): void {
    this.#members.length = 0;
  }

  /** Puts `member` at `start`, or above what ends later. */
  #rise(member: T, start: number): void {
    let index = start;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#members[above];
      if (parent === undefined || parent.dueAtMs <= member.dueAtMs) break;
      this.#put(parent, index);
      index = above;
    }
    this.#put(member, index);
  }

  /** Puts `member` at `start`, or below what ends earlier. */
  #sink(member: T, start: number): void {
    let index = start;
    for (;;) {
      const below = this.#earlierChild(index);
      const child = this.#members[below];
      if (child === undefined || child.dueAtMs >= member.dueAtMs) break;
      this.#put(child, index);
      index = below;
    }
    this.#put(member, index);
  }

  #earlierChild(index: number): number {
    const left = 2 * index + 1;
    const [first, second] = [this.#members[left], this.#members[left + 1]];
    return first && second && second.dueAtMs < first.dueAtMs ? left + 1 : left;
  }

  #put(member: T, index: number): void {
    this.#members[index] = member;
    member.heapIndex = index;
  }
}
