import { RecordTable, sortableNumber } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';

/** Lines that belong to an alert, oldest first, in rows: what one turn wrote is one row. Of an alert with more rows than the bound those in the middle go, oldest first. */
export class AlertLines<T> {
  private readonly table: RecordTable<T[]>;
  private readonly firstRows: number;
  private readonly newestRows: number;

  /** `firstRows` stay whatever comes, besides the `newestRows`. */
  constructor(store: Store, table: string, { firstRows, newestRows }: { firstRows: number; newestRows: number }) {
    this.table = new RecordTable(store, table);
    this.firstRows = firstRows;
    this.newestRows = newestRows;
  }

  /** Queues row `row` (from 1), which must be the alert's next. */
  add(id: string, row: number, lines: T[]): void {
    this.table.put(keyOf(id, row), lines);
    const gone = row - this.newestRows;
    if (gone > this.firstRows) this.table.remove(keyOf(id, gone));
  }

  /** `rows`: as many as it ever had. `newest`: what row `rows` is, where that may not be committed. */
  of(id: string, rows: number, newest: T[] | null): T[] {
    const lines: T[] = [];
    const to = keyOf(id, newest === null ? rows + 1 : rows);
    for (const { key, record } of this.table.range({ from: keyOf(id, 1), to })) {
      const row = Number.parseInt(key.slice(id.length + 1), 36);
      // One that the queue of the store removes.
      if (row > this.firstRows && row <= rows - this.newestRows) continue;
      lines.push(...record);
    }
    return newest === null ? lines : [...lines, ...newest];
  }

  /** Queues the removal of all. */
  removeAll(id: string, rows: number): void {
    for (let row = Math.max(1, rows - this.newestRows + 1); row <= rows; row++) this.table.remove(keyOf(id, row));
    for (let row = 1; row <= Math.min(this.firstRows, rows - this.newestRows); row++) this.table.remove(keyOf(id, row));
  }
}

function keyOf(id: string, row: number): string {
  return `${id}/${sortableNumber(row)}`;
}
