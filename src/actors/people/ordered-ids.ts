import type { Page } from '../../model/queries.ts';

/** Records by id, and their ids in order, for lists by pages. */
export class OrderedIds<T extends { id: string }> {
  private readonly byId = new Map<string, T>();
  /** Ascending; a new one is a move of memory, not a sort. */
  private readonly ids: string[] = [];

  get size(): number {
    return this.byId.size;
  }

  get(id: string): T | undefined {
    return this.byId.get(id);
  }

  values(): Iterable<T> {
    return this.byId.values();
  }

  put(record: T): void {
    if (!this.byId.has(record.id)) this.ids.splice(this.placeOf(record.id), 0, record.id);
    this.byId.set(record.id, record);
  }

  delete(id: string): void {
    if (this.byId.delete(id)) this.ids.splice(this.placeOf(id), 1);
  }

  /** In order of id, from after `cursor`: the last id of the page before. */
  page(limit: number, cursor: string | null): Page<T> {
    let first = 0;
    if (cursor !== null) {
      first = this.placeOf(cursor);
      if (this.ids[first] === cursor) first++;
    }
    const ids = this.ids.slice(first, first + limit);
    return { data: ids.map((id) => this.byId.get(id)!), nextCursor: first + limit < this.ids.length ? ids[ids.length - 1] : null };
  }

  private placeOf(id: string): number {
    let low = 0;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
