import { determinantsRow, type PackedDeterminants } from '../../model/determinants-row.ts';
import type { EnergyQuarter } from '../../model/energy.ts';
import { EnergyReader } from './energy-reader.ts';
import { NO_ROW, rowOffset, type MeterPage } from './meter-pages.ts';
import { ROW } from './page-layout.ts';
import type { EnergyPlace, PlacedMeters, ShardAnswers, ShardQuery } from './protocol.ts';
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

  /** `limit` at most, page by page. */
  meters(from: EnergyPlace, limit: number): ShardAnswers['energyMeters'] {
    const { directory } = this.state;
    const partitions = [...new Set(directory.pages.map((page) => page.partition))].sort((a, b) => a - b);
    const pagesMax = Math.max(0, ...partitions.map((partition) => directory.pagesOf(partition).length));
    const pages: PlacedMeters[] = [];
    let left = limit;
    for (let number = from.page; number < pagesMax; number++) {
      for (const partition of partitions) {
        const page = directory.pagesOf(partition)[number];
        const isBefore = number === from.page && partition < from.partition;
        if (page === undefined || isBefore) continue;
        const first = number === from.page && partition === from.partition ? from.row : 0;
        const end = Math.min(page.rowCount, first + left);
        if (first < end) pages.push(this.metersOfPage(page, partition, first, end));
        left -= Math.max(0, end - first);
        if (end < page.rowCount) return { pages, next: { page: number, partition, row: end } };
      }
    }
    return { pages, next: null };
  }

  private metersOfPage(page: MeterPage, partition: number, first: number, end: number): PlacedMeters {
    const placed: PlacedMeters = { page: page.number, partition, row: first, meterIds: [], regions: [] };
    for (let r = first; r < end; r++) {
      const row = page.rowAt(r);
      placed.meterIds.push(this.state.directory.idOf(row));
      placed.regions.push(this.regionOf(page, row));
    }
    return placed;
  }

  private regionOf(page: MeterPage, row: number): string {
    return this.state.ledger.nameOf(page.u16[(rowOffset(row) + ROW.region) >> 1]);
  }
}

/** Of many meters, page by page, so that readings need not wait for all of it. Each meter is as it is when its page's turn comes. */
export class DeterminantsAnswer {
  private readonly query: DeterminantsQuery;
  private readonly rowOf: (meterId: string) => number;
  private readonly reader: EnergyReader;
  private readonly known: Uint8Array;
  /** Made with the first step, as many questions may wait for theirs. */
  private numbers: Float64Array | null = null;
  /** Meters, and numbers, that are done. */
  private done = 0;
  private written = 0;

  constructor(query: DeterminantsQuery, rowOf: (meterId: string) => number, reader: EnergyReader) {
    this.query = query;
    this.rowOf = rowOf;
    this.reader = reader;
    this.known = new Uint8Array(query.meterIds.length);
  }

  /** Adds up the next meters, as far as they lie side by side and have the same plan: some 3 ms. Returns the whole answer when there are no more; its `rows` are in memory of their own. */
  step(): PackedDeterminants | null {
    const { meterIds } = this.query;
    this.numbers ??= this.memory();
    if (this.done < meterIds.length) this.addNext(this.numbers);
    return this.done < meterIds.length ? null : { known: this.known, rows: new Uint8Array(this.numbers.buffer, 0, this.written * Float64Array.BYTES_PER_ELEMENT) };
  }

  private memory(): Float64Array {
    const { planOf, plans } = this.query;
    const widths = plans.map((plan) => determinantsRow(plan).width);
    return new Float64Array(planOf.reduce((sum, plan) => sum + widths[plan], 0));
  }

  private addNext(numbers: Float64Array): void {
    const { meterIds, planOf, plans } = this.query;
    const first = this.done;
    const row = this.rowOf(meterIds[first]);
    if (row === NO_ROW) {
      this.done++;
      return;
    }
    const plan = plans[planOf[first]];
    const rows = [row];
    const rowsMax = this.reader.rowsPerLook(plan.energyBuckets.length);
    for (let i = first + 1; i < meterIds.length && rows.length < rowsMax && planOf[i] === planOf[first]; i++) {
      const next = this.rowOf(meterIds[i]);
      if (next === NO_ROW || next >>> 6 !== row >>> 6 || rows.includes(next)) break;
      rows.push(next);
    }
    const layout = determinantsRow(plan);
    this.reader.determinants(rows, plan, layout, numbers, this.written);
    this.known.fill(1, first, first + rows.length);
    this.done += rows.length;
    this.written += rows.length * layout.width;
  }

  /** All of it at once. */
  finish(): PackedDeterminants {
    for (;;) {
      const answer = this.step();
      if (answer !== null) return answer;
    }
  }
}
