import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/** An issued invoice whose energy may still change. */
export interface Watched {
  /** Epoch ms from when on it is not looked at any more, however it is. */
  until: number;
  /** Fingerprint of what its bill is made of, when that was last looked at; null: it has to be worked out again whatever it is. */
  seen: string | null;
}

/** Issued invoices that are compared with the energy as it is now, in the order of their making: that of a run, and so nearly that of the energy on disk. */
export class WatchList {
  private readonly table: StagedTable<Watched>;

  constructor(staged: StagedStore) {
    this.table = staged.table('watched-invoices');
  }

  put(invoiceId: string, watched: Watched): void {
    this.table.put(invoiceId, watched);
  }

  remove(invoiceId: string): void {
    this.table.remove(invoiceId);
  }

  get(invoiceId: string): Watched | null {
    return this.table.get(invoiceId);
  }

  /** Has it worked out again, once at least. */
  again(invoiceId: string, nowMs: number): void {
    this.table.put(invoiceId, { until: this.table.get(invoiceId)?.until ?? nowMs, seen: null });
  }

  page(after: string | null, limit: number): { id: string; watched: Watched }[] {
    const found: { id: string; watched: Watched }[] = [];
    for (const { key, record } of this.table.range({ from: after === null ? '' : `${after}\0`, to: afterPrefix('') })) {
      if (found.length === limit) break;
      found.push({ id: key, watched: record });
    }
    return found;
  }
}
