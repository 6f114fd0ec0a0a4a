/** What waits for a time. `position` is the queue's own: -1 while it does not wait. */
export interface Due {
  dueMs: number;
  position: number;
}

/** Entries in order of their time: a binary heap in which each entry knows its place, so that one that waits no longer leaves at once. */
export class DueTimes<T extends Due> {
  private readonly heap: T[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** Infinity when nothing waits. */
  get nextMs(): number {
    return this.heap.length === 0 ? Infinity : this.heap[0].dueMs;
  }

  /** Its `dueMs` must not change until it is removed or taken. */
  add(entry: T): void {
    this.heap.push(entry);
    this.rise(entry, this.heap.length - 1);
  }

  /** Nothing where it does not wait. */
  remove(entry: T): void {
    const position = entry.position;
    if (position < 0) return;
    entry.position = -1;
    const last = this.heap.pop()!;
    if (last === entry) return;
    this.sink(last, position);
    this.rise(last, last.position);
  }

  /** Takes the first entry that is due at `nowMs`; null when there is none. */
  take(nowMs: number): T | null {
    if (this.nextMs > nowMs) return null;
    const first = this.heap[0];
    this.remove(first);
    return first;
  }

  /** All entries, in no order; none waits any more. */
  takeAll(): T[] {
    const all = this.heap.splice(0);
    for (const entry of all) entry.position = -1;
    return all;
  }

  private rise(entry: T, from: number): void {
    let position = from;
    while (position > 0) {
      const above = (position - 1) >> 1;
      if (this.heap[above].dueMs <= entry.dueMs) break;
      this.put(this.heap[above], position);
      position = above;
    }
    this.put(entry, position);
  }

  private sink(entry: T, from: number): void {
    let position = from;
    for (;;) {
      let below = 2 * position + 1;
      if (below >= this.heap.length) break;
      if (below + 1 < this.heap.length && this.heap[below + 1].dueMs < this.heap[below].dueMs) below++;
      if (this.heap[below].dueMs >= entry.dueMs) break;
      this.put(this.heap[below], position);
      position = below;
    }
    this.put(entry, position);
  }

  private put(entry: T, position: number): void {
    this.heap[position] = entry;
    entry.position = position;
  }
}
