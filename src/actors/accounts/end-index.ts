import { sortableNumber } from '../../runtime/record-table.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/** When records of a book are over, in order of time: a record may stay in it after it went, and under a time that has moved on since. Whoever sweeps looks. */

/** Ends that are looked at in one turn. */
const SWEEP_STEP = 200;

export class EndIndex {
  private readonly ends: StagedTable<boolean>;

  constructor(staged: StagedStore, table: string) {
    this.ends = staged.table(table);
  }

  add(atMs: number, id: string): void {
    this.ends.put(`${sortableNumber(atMs)}${SEPARATOR}${id}`, true);
  }

  count(): number {
    return this.ends.keys('', afterPrefix('')).length;
  }

  /** When the next one is to be looked at; Infinity: there is none. */
  nextMs(): number {
    for (const { key } of this.ends.range({ from: '', to: afterPrefix('') })) return parseInt(key.slice(0, key.indexOf(SEPARATOR)), 36);
    return Infinity;
  }

  /** Takes out those whose time is over, some in each turn, and gives their ids. */
  takeOver(nowMs: number): string[] {
    const over: string[] = [];
    for (const { key } of this.ends.range({ from: '', to: sortableNumber(nowMs + 1) })) {
      over.push(key);
      if (over.length === SWEEP_STEP) break;
    }
    for (const key of over) this.ends.remove(key);
    return over.map((key) => key.slice(key.indexOf(SEPARATOR) + 1));
  }
}

const SEPARATOR = '/';
