import { determinantsRow, readDeterminants, type DeterminantsRow } from './determinants-row.ts';
import { NO_BUCKET, QUARTERS_PER_HOUR, type Determinants, type MeteringPlan } from './energy.ts';
import { planRuns, type PlanRuns } from './plan-runs.ts';

/** How a quarter-hour's energy is known, as a byte. */
export const QUARTER_QUALITY = {
  missing: 0,
  /** From the meter's power. */
  estimated: 1,
  /** By the meter's own count. */
  measured: 2,
  /** Nothing came, and the count of the measured one after it covers it: its own energy is 0. Counts as estimated. */
  covered: 3,
} as const;

/** Quarter-hours right before a measured one that its count covers, at most: meters that send every hour have three, and one more may be lost. */
export const COVERED_QUARTERS_MAX = 4;

/** Buckets as bytes name them, NO_BUCKET too: adding to that one needs no question. Shared by all calls, as a million meters are added up one after another. */
const importSums = new Float64Array(NO_BUCKET + 1);
const exportSums = new Float64Array(NO_BUCKET + 1);
/** By demand bucket the highest energy or power, and the index where it was first. */
const peaks = new Float64Array(NO_BUCKET + 1);
const peakIndexes = new Int32Array(NO_BUCKET + 1);
/** By day, and one more for quarter-hours before the first. */
let dayImportSums = new Float64Array(32);
let dayExportSums = new Float64Array(32);
let spreadMicroKwh = new Float64Array(0);

const TWO_POW_32 = 2 ** 32;

/** Marks the missing quarter-hours that a count covers. */
export function coverGaps(quality: Uint8Array): void {
  let gap = 0;
  for (let i = 0; i < quality.length; i++) {
    const known = quality[i];
    if (known === QUARTER_QUALITY.missing) {
      gap++;
      continue;
    }
    if (known === QUARTER_QUALITY.measured && gap > 0) quality.fill(QUARTER_QUALITY.covered, i - Math.min(gap, COVERED_QUARTERS_MAX), i);
    gap = 0;
  }
}

/**
 * Adds a meter's quarter-hours up as the plan says. `quarters` are net microKwh and `quality` QUARTER_QUALITY, of the plan's quarter-hours each; `coveredBefore` is how many covered ones lie right
 * before the first.
 *
 * The power of a count that covers a gap is the mean over both: taken for its own quarter-hour's, a meter that sends every half hour would have twice the demand. A demand interval that the plan cuts is
 * the mean of what lies in the plan.
 */
export function addUp(plan: MeteringPlan, quarters: Float64Array, quality: Uint8Array, coveredBefore = 0): Determinants {
  const row = determinantsRow(plan);
  const numbers = new Float64Array(row.width);
  addUpInto(plan, row, quarters, quality, coveredBefore, numbers, 0);
  return readDeterminants(row, numbers, 0);
}

/** The same as a row of `numbers` that begins at `at`; `row` is the plan's. */
export function addUpInto(plan: MeteringPlan, row: DeterminantsRow, quarters: Float64Array, quality: Uint8Array, coveredBefore: number, numbers: Float64Array, at: number): void {
  const count = plan.energyBuckets.length;
  if (quarters.length !== count || quality.length !== count || plan.demandBuckets.length !== count) throw new RangeError(`expected ${count} quarter-hours, got ${quarters.length}`);
  const { measured, missing, covered, digest } = addRuns(planRuns(plan), plan.dayStarts.length, quarters, quality);
  shareSplits(plan, quarters);
  write(importSums, plan.energyBucketCount, numbers, at + row.imported);
  write(exportSums, plan.energyBucketCount, numbers, at + row.exported);
  write(dayImportSums, plan.dayStarts.length, numbers, at + row.dayImports);
  write(dayExportSums, plan.dayStarts.length, numbers, at + row.dayExports);
  if (row.dayImports > row.peaks) writePeaks(plan, row, quarters, covered > 0 || coveredBefore > 0 ? spreadOverGaps(quarters, quality, coveredBefore) : quarters, numbers, at);
  numbers[at + row.quality] = measured;
  numbers[at + row.quality + 1] = count - measured - missing;
  numbers[at + row.quality + 2] = missing;
  numbers[at + row.digest] = plan.withoutDigest === true ? 0 : digest;
}

function write(sums: Float64Array, count: number, numbers: Float64Array, at: number): void {
  for (let i = 0; i < count; i++) numbers[at + i] = sums[i];
}

/** What is known of the quarter-hours, and 52 bits of all that went in, in order: of two states that differ one in 4e15 looks the same. */
interface Tally {
  measured: number;
  missing: number;
  covered: number;
  digest: number;
}

/**
 * Energy by bucket and by day, the highest quarter-hours, and the tally, all of it in one pass: an array's element costs more to get at than to add.
 *
 * What the digest takes in, and in which order, stays as it is for good: issued bills are held against theirs.
 */
function addRuns(runs: PlanRuns, days: number, quarters: Float64Array, quality: Uint8Array): Tally {
  const { ends, energyBuckets, demandBuckets } = runs;
  clearSums(days);
  const counts = [0, 0, 0, 0];
  // Whole numbers of 32 bits from the first: with one of 33 all that follows would be counted as fractions.
  let a = 0x9747b28c | 0;
  let b = 0x3c6ef372;
  // Known alike for most of the time: only where that changes it is mixed in, with its place.
  let known = -1;
  let since = 0;
  let i = 0;
  for (let run = 0; run < runs.count; run++) {
    const end = ends[run];
    const demandBucket = demandBuckets[run];
    let imported = 0;
    let exported = 0;
    let peak = peaks[demandBucket];
    let peakIndex = peakIndexes[demandBucket];
    for (; i < end; i++) {
      if (quality[i] !== known) {
        if (known >= 0) counts[known] += i - since;
        known = quality[i];
        since = i;
        a = Math.imul(a ^ (i * 4 + known), 0x1b873593);
        b = Math.imul(b + (i * 4 + known), 0xc2b2ae35);
      }
      const net = quarters[i];
      if (net > 0) {
        imported += net;
        if (net > peak) {
          peak = net;
          peakIndex = i;
        }
      } else exported -= net;
      const low = net | 0;
      // Of all but the largest consumers' it is all.
      const word = low === net ? low : low ^ Math.imul(Math.floor(net / TWO_POW_32) + 1, 0x27d4eb2f);
      a = Math.imul(a ^ word, 0xcc9e2d51);
      a = (a << 15) | (a >>> 17);
      b = Math.imul(b + word, 0x85ebca6b);
      b = (b << 13) | (b >>> 19);
    }
    peaks[demandBucket] = peak;
    peakIndexes[demandBucket] = peakIndex;
    importSums[energyBuckets[run]] += imported;
    exportSums[energyBuckets[run]] += exported;
    dayImportSums[runs.days[run]] += imported;
    dayExportSums[runs.days[run]] += exported;
  }
  if (known >= 0) counts[known] += i - since;
  return { measured: counts[QUARTER_QUALITY.measured], missing: counts[QUARTER_QUALITY.missing], covered: counts[QUARTER_QUALITY.covered], digest: (finish(b) >>> 12) * TWO_POW_32 + finish(a) };
}

function clearSums(days: number): void {
  importSums.fill(0);
  exportSums.fill(0);
  peaks.fill(0);
  peakIndexes.fill(-1);
  if (dayImportSums.length <= days) {
    dayImportSums = new Float64Array(days + 1);
    dayExportSums = new Float64Array(days + 1);
  }
  dayImportSums.fill(0);
  dayExportSums.fill(0);
}

/** Takes quarter-hours that a bucket ends in out of that bucket, and shares them out. */
function shareSplits({ energyBuckets, splits }: MeteringPlan, quarters: Float64Array): void {
  for (const { index, shares } of splits) {
    const net = quarters[index];
    const sums = net > 0 ? importSums : exportSums;
    const whole = Math.abs(net);
    sums[energyBuckets[index]] -= whole;
    let left = whole;
    shares.forEach(({ bucket, minutes }, k) => {
      const share = k === shares.length - 1 ? left : Math.floor((whole * minutes) / 15);
      sums[bucket] += share;
      left -= share;
    });
  }
}

/** `energy` is that of `quarters`, with what covers a gap spread over it. The highest of `quarters` have been found. */
function writePeaks(plan: MeteringPlan, row: DeterminantsRow, quarters: Float64Array, energy: Float64Array, numbers: Float64Array, at: number): void {
  const { firstQuarter, demandBucketCount, demandQuarters, moments } = plan;
  const count = quarters.length;
  if (demandQuarters > 1 || energy !== quarters) findPeaks(plan, energy, count);
  for (let bucket = 0; bucket < demandBucketCount; bucket++) {
    const index = peakIndexes[bucket];
    numbers[at + row.peaks + bucket] = demandQuarters === 1 ? peaks[bucket] * QUARTERS_PER_HOUR : peaks[bucket];
    numbers[at + row.peakQuarters + bucket] = index < 0 ? -1 : firstQuarter + index;
  }
  moments.forEach((quarter, k) => {
    const first = quarter - (quarter % demandQuarters) - firstQuarter;
    const isInside = quarter >= firstQuarter && quarter < firstQuarter + count;
    numbers[at + row.moments + k] = isInside ? Math.max(0, meanMicroKw(energy, Math.max(0, first), Math.min(count, first + demandQuarters))) : 0;
  });
}

/** Of demand intervals the powers, of single quarter-hours the energy. */
function findPeaks({ firstQuarter, demandBuckets, demandQuarters }: MeteringPlan, energy: Float64Array, count: number): void {
  peaks.fill(0);
  peakIndexes.fill(-1);
  for (let i = 0, next = demandQuarters - (firstQuarter % demandQuarters); i < count; i = next, next += demandQuarters) {
    const bucket = demandBuckets[i];
    const height = demandQuarters === 1 ? energy[i] : meanMicroKw(energy, i, Math.min(count, next));
    if (height <= peaks[bucket]) continue;
    peaks[bucket] = height;
    peakIndexes[bucket] = i;
  }
}

/** Of the quarter-hours `from` ≤ index < `to`. */
function meanMicroKw(energy: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += energy[i];
  return Math.round((sum * QUARTERS_PER_HOUR) / (to - from));
}

/** The quarter-hours' energy with that of a count shared out, in whole units, over the gap that it covers. Borrowed until the next call. */
function spreadOverGaps(quarters: Float64Array, quality: Uint8Array, coveredBefore: number): Float64Array {
  const count = quarters.length;
  if (spreadMicroKwh.length < count) spreadMicroKwh = new Float64Array(count);
  const energy = spreadMicroKwh;
  energy.set(quarters);
  let gap = coveredBefore;
  for (let i = 0; i < count; i++) {
    if (quality[i] === QUARTER_QUALITY.covered) {
      gap++;
      continue;
    }
    if (quality[i] === QUARTER_QUALITY.measured && gap > 0) {
      const share = Math.trunc(energy[i] / (gap + 1));
      energy.fill(share, Math.max(0, i - gap), i);
      energy[i] -= share * gap;
    }
    gap = 0;
  }
  return energy;
}

/** Murmur3's last step: every bit of the word changes half of those that come out. */
function finish(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
