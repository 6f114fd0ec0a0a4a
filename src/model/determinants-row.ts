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
    const found = new Array<number>(to - from);
    for (let i = from; i < to; i++) found[i - from] = numbers[at + i];
    return found;
  };
  const [measured, estimated, missing] = between(row.quality, row.digest);
  return {
    importMicroKwh: between(row.imported, row.exported),
    exportMicroKwh: between(row.exported, row.peaks),
    peakMicroKw: between(row.peaks, row.peakQuarters),
    peakQuarter: between(row.peakQuarters, row.moments),
    momentMicroKw: between(row.moments, row.dayImports),
    dayImportMicroKwh: between(row.dayImports, row.dayExports),
    dayExportMicroKwh: between(row.dayExports, row.quality),
    quality: { measured, estimated, missing },
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

/** `planOf` of each meter is an index into `plans`. */
export function unpackDeterminants({ known, rows }: PackedDeterminants, planOf: Uint8Array, plans: readonly MeteringPlan[]): (Determinants | null)[] {
  const layouts = plans.map(determinantsRow);
  const numbers = new Float64Array(rows.buffer, rows.byteOffset, rows.length / Float64Array.BYTES_PER_ELEMENT);
  const found: (Determinants | null)[] = [];
  let at = 0;
  for (let i = 0; i < known.length; i++) {
    const layout = layouts[planOf[i]];
    found.push(known[i] === 0 ? null : readDeterminants(layout, numbers, at));
    if (known[i] !== 0) at += layout.width;
  }
  return found;
}
