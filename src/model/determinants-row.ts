import type { Determinants, MeteringPlan } from './energy.ts';

/**
 * Determinants as numbers in a row, as threads hand them to each other: a thousand meters' in one piece of memory that moves, where a thousand objects of ten arrays would be taken apart and put together again at
 * every port.
 */
export interface DeterminantsRow {
  imported: number;
  exported: number;
  peaks: number;
  peakQuarters: number;
  moments: number;
  dayImports: number;
  dayExports: number;
  /** `measured`, `estimated`, `missing`. */
  quality: number;
  digest: number;
  /** Numbers of a row. */
  width: number;
}

/** Where in a row a plan's determinants stand. */
export function determinantsRow({ energyBucketCount, demandBucketCount, moments, dayStarts }: MeteringPlan): DeterminantsRow {
  const peaks = 2 * energyBucketCount;
  const afterPeaks = peaks + 2 * demandBucketCount;
  const dayImports = afterPeaks + moments.length;
  const quality = dayImports + 2 * dayStarts.length;
  return { imported: 0, exported: energyBucketCount, peaks, peakQuarters: peaks + demandBucketCount, moments: afterPeaks, dayImports, dayExports: dayImports + dayStarts.length, quality, digest: quality + 3, width: quality + 4 };
}

/** What the row that begins at `at` says. */
export function readDeterminants(row: DeterminantsRow, numbers: Float64Array, at: number): Determinants {
  const between = (from: number, to: number): number[] => {
    const found: number[] = [];
    for (let i = at + from; i < at + to; i++) found.push(numbers[i]);
    return found;
  };
  const quality = at + row.quality;
  return {
    importMicroKwh: between(row.imported, row.exported),
    exportMicroKwh: between(row.exported, row.peaks),
    peakMicroKw: between(row.peaks, row.peakQuarters),
    peakQuarter: between(row.peakQuarters, row.moments),
    momentMicroKw: between(row.moments, row.dayImports),
    dayImportMicroKwh: between(row.dayImports, row.dayExports),
    dayExportMicroKwh: between(row.dayExports, row.quality),
    quality: { measured: numbers[quality], estimated: numbers[quality + 1], missing: numbers[quality + 2] },
    digest: numbers[at + row.digest],
  };
}

/** Of many meters. */
export interface PackedDeterminants {
  /** By meter: 0, there is none; it has no row. */
  known: Uint8Array;
  /** Rows as bytes of doubles, one after another, that begin with their memory: between nodes, too, bytes stay bytes. */
  rows: Uint8Array;
}

/** Of many meters, in the order in which they were asked for. A list of them is one as well. */
export interface FoundDeterminants {
  /** null: no such meter. */
  at(position: number): Determinants | null | undefined;
}

/** Some of the meters that were asked for: `positions` are theirs, among all of them. */
export interface DeterminantsPart {
  positions: Uint16Array;
  /** In memory of its own. */
  found: PackedDeterminants;
}

/** Determinants that are read when somebody asks for them. A thousand meters' objects at once would be moved by the garbage collector before they are looked at; one by one they are gone before it comes. */
export class DeterminantsOfParts implements FoundDeterminants {
  private readonly layouts: readonly DeterminantsRow[];
  private readonly planOf: Uint8Array;
  private readonly numbers: readonly Float64Array[];
  /** By position which part has it, and where in its numbers; −1: none. */
  private readonly partOf: Uint16Array;
  private readonly startOf: Int32Array;

  /** `planOf` of each meter is an index into `plans`. */
  constructor(parts: readonly DeterminantsPart[], planOf: Uint8Array, plans: readonly MeteringPlan[]) {
    this.layouts = plans.map(determinantsRow);
    this.planOf = planOf;
    this.numbers = parts.map(({ found: { rows } }) => new Float64Array(rows.buffer, rows.byteOffset, rows.length / Float64Array.BYTES_PER_ELEMENT));
    this.partOf = new Uint16Array(planOf.length);
    this.startOf = new Int32Array(planOf.length).fill(-1);
    parts.forEach(({ positions, found: { known } }, part) => {
      let start = 0;
      positions.forEach((position, i) => {
        if (known[i] === 0) return;
        this.partOf[position] = part;
        this.startOf[position] = start;
        start += this.layouts[planOf[position]].width;
      });
    });
  }

  at(position: number): Determinants | null {
    const start = this.startOf[position];
    return start < 0 ? null : readDeterminants(this.layouts[this.planOf[position]], this.numbers[this.partOf[position]], start);
  }
}

/** Those of one part, which are all that were asked for. */
export function unpackDeterminants(found: PackedDeterminants, planOf: Uint8Array, plans: readonly MeteringPlan[]): (Determinants | null)[] {
  const read = new DeterminantsOfParts([{ positions: Uint16Array.from(planOf.keys()), found }], planOf, plans);
  return Array.from(planOf, (_, position) => read.at(position));
}
