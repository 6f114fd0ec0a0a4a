import type { StagedStore, StagedTable } from '../../runtime/staged-store.ts';

/** Counters that a turn takes numbers of: each is given in the commit that uses it, so that none is lost or given twice. */
export class Sequences {
  private readonly table: StagedTable<number>;

  constructor(staged: StagedStore) {
    this.table = staged.table('sequences');
  }

  /** From 1. */
  next(name: string): number {
    const number = this.last(name) + 1;
    this.table.put(name, number);
    return number;
  }

  /** 0: none was given. */
  last(name: string): number {
    return this.table.get(name) ?? 0;
  }
}
