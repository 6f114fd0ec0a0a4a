import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';

/** Records by id, and their ids in order, for lists by pages. */
export class OrderedIds<T extends { id: string }> {
  /** Of the list, as its cursors say it: one of another list is none. */
  private readonly noun: string;
  private readonly byId = new Map<string, T>();
  /** Ascending; a new one is a move of memory, not a sort. */
  private readonly ids: string[] = [];

  constructor(noun: string) {
    this.noun = noun;
  }

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

  /** In order of id, from after the one that `cursor` names, be it there or not. Throws OperationalError `bad_cursor`. */
  page(limit: number, cursor: string | null): Page<T> {
    let first = 0;
    if (cursor !== null) {
      const last = this.idAt(cursor);
      first = this.placeOf(last);
      if (this.ids[first] === last) first++;
    }
    const ids = this.ids.slice(first, first + limit);
    return { data: ids.map((id) => this.byId.get(id)!), nextCursor: first + limit < this.ids.length ? this.cursorAt(ids[ids.length - 1]) : null };
  }

  private cursorAt(id: string): string {
    return Buffer.from(`${this.noun}/${id}`).toString('base64url');
  }

  private idAt(cursor: string): string {
    const id = Buffer.from(cursor, 'base64url').toString().slice(this.noun.length + 1);
    if (id === '' || this.cursorAt(id) !== cursor) throw new OperationalError('bad_cursor', `the cursor is of no page of ${this.noun}`);
    return id;
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
