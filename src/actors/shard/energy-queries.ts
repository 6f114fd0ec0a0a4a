import type { Determinants, EnergyQuarter } from '../../model/energy.ts';
import { EnergyReader } from './energy-reader.ts';
import { NO_ROW, rowOffset, type MeterPage } from './meter-pages.ts';
import { ROW } from './page-layout.ts';
import type { EnergyPlace, PlacedMeter, ShardQuery } from './protocol.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';

type DeterminantsQuery = Extract<ShardQuery, { kind: 'determinants' }>;

/** Questions about the energy of the shard's meters. */
export class EnergyQueries {
  private readonly state: ShardState;
  private readonly reader: EnergyReader;

  constructor(state: ShardState, store: ShardStore) {
    this.state = state;
    this.reader = new EnergyReader(state, store);
  }

  determinants(query: DeterminantsQuery): DeterminantsAnswer {
    return new DeterminantsAnswer(query, (meterId) => this.state.directory.rowOf(meterId), this.reader);
  }

  quarters(meterId: string, from: number, to: number): EnergyQuarter[] | null {
    const row = this.state.directory.rowOf(meterId);
    return row === NO_ROW ? null : this.reader.quarters(row, from, to);
  }

  region(meterId: string): string | null {
    const row = this.state.directory.rowOf(meterId);
    return row === NO_ROW ? null : this.regionOf(this.state.directory.pages[row >>> 6], row);
  }

  /** `limit` at most. */
  meters(from: EnergyPlace, limit: number): PlacedMeter[] {
    const { directory } = this.state;
    const partitions = [...new Set(directory.pages.map((page) => page.partition))].sort((a, b) => a - b);
    const pagesMax = Math.max(0, ...partitions.map((partition) => directory.pagesOf(partition).length));
    const found: PlacedMeter[] = [];
    for (let number = from.page; number < pagesMax; number++) {
      for (const partition of partitions) {
        const page = directory.pagesOf(partition)[number];
        const isBefore = number === from.page && partition < from.partition;
        if (page === undefined || isBefore) continue;
        const first = number === from.page && partition === from.partition ? from.row : 0;
        for (let r = first; r < page.rowCount; r++) {
          if (found.length === limit) return found;
          const row = page.rowAt(r);
          found.push({ page: number, partition, row: r, meterId: directory.idOf(row), region: this.regionOf(page, row) });
        }
      }
    }
    return found;
  }

  private regionOf(page: MeterPage, row: number): string {
    return this.state.ledger.nameOf(page.u16[(rowOffset(row) + ROW.region) >> 1]);
  }
}

/** Of many meters, page by page, so that readings need not wait for all of it. Each meter is as it is when its page's turn comes. */
export class DeterminantsAnswer {
  private readonly found: (Determinants | null)[] = [];
  private readonly query: DeterminantsQuery;
  private readonly rowOf: (meterId: string) => number;
  private readonly reader: EnergyReader;

  constructor(query: DeterminantsQuery, rowOf: (meterId: string) => number, reader: EnergyReader) {
    this.query = query;
    this.rowOf = rowOf;
    this.reader = reader;
  }

  /** Adds up the next meters, as far as they lie side by side and have the same plan: some 3 ms. Returns the whole answer when there are no more. */
  step(): (Determinants | null)[] | null {
    const { meterIds, planOf, plans } = this.query;
    const first = this.found.length;
    if (first === meterIds.length) return this.found;
    const row = this.rowOf(meterIds[first]);
    if (row === NO_ROW) this.found.push(null);
    else {
      const plan = plans[planOf[first]];
      const rows = [row];
      const rowsMax = this.reader.rowsPerLook(plan.energyBuckets.length);
      for (let i = first + 1; i < meterIds.length && rows.length < rowsMax && planOf[i] === planOf[first]; i++) {
        const next = this.rowOf(meterIds[i]);
        if (next === NO_ROW || next >>> 6 !== row >>> 6 || rows.includes(next)) break;
        rows.push(next);
      }
      this.found.push(...this.reader.determinants(rows, plan));
    }
    return this.found.length === meterIds.length ? this.found : null;
  }

  /** All of it at once. */
  finish(): (Determinants | null)[] {
    for (;;) {
      const answer = this.step();
      if (answer !== null) return answer;
    }
  }
}
