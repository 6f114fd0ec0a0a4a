/** A binary heap of items by when they are due; items due at the same time leave in the order they came. */
export class DueQueue<T> {
  private readonly items: { dueMs: number; order: number; item: T }[] = [];
  private pushed = 0;

  get size(): number {
    return this.items.length;
  }

  /** When the first item is due; Infinity when there is none. */
  get nextDueMs(): number {
    return this.items.length === 0 ? Infinity : this.items[0].dueMs;
  }

  push(dueMs: number, item: T): void {
    const items = this.items;
    items.push({ dueMs, order: this.pushed++, item });
    let child = items.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.before(child, parent)) break;
      this.swap(child, parent);
      child = parent;
    }
  }

  /** The first item when it is due by `nowMs`, else null. */
  shift(nowMs: number): T | null {
    const items = this.items;
    if (items.length === 0 || items[0].dueMs > nowMs) return null;
    const first = items[0].item;
    const last = items.pop()!;
    if (items.length > 0) {
      items[0] = last;
      this.sink();
    }
    return first;
  }

  private sink(): void {
    let parent = 0;
    for (;;) {
      let first = parent;
      for (let child = 2 * parent + 1; child <= 2 * parent + 2; child++) if (child < this.items.length && this.before(child, first)) first = child;
      if (first === parent) return;
      this.swap(first, parent);
      parent = first;
    }
  }

  private before(a: number, b: number): boolean {
    const left = this.items[a];
    const right = this.items[b];
    return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
  }

  private swap(a: number, b: number): void {
    const kept = this.items[a];
    this.items[a] = this.items[b];
    this.items[b] = kept;
  }
}
