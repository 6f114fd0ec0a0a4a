import { NO_BUCKET, QUARTERS_PER_HOUR, type Determinants, type MeteringPlan } from './energy.ts';

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
let spreadMicroKwh = new Float64Array(0);

/** Marks the missing quarter-hours that a count covers. */
export function coverGaps(quality: Uint8Array): void {
  // Most meters' months have none.
  if (!quality.includes(QUARTER_QUALITY.missing)) return;
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
  const count = plan.energyBuckets.length;
  if (quarters.length !== count || quality.length !== count || plan.demandBuckets.length !== count) throw new RangeError(`expected ${count} quarter-hours, got ${quarters.length}`);
  const peaks = addPeaks(plan, quarters, quality, coveredBefore);
  const days = addDays(plan, quarters);
  addEnergy(plan, quarters);
  const { measured, missing, digest } = digestOf(quarters, quality);
  return {
    importMicroKwh: Array.from(importSums.subarray(0, plan.energyBucketCount)),
    exportMicroKwh: Array.from(exportSums.subarray(0, plan.energyBucketCount)),
    ...peaks,
    ...days,
    quality: { measured, estimated: count - measured - missing, missing },
    digest,
  };
}

function addEnergy(plan: MeteringPlan, quarters: Float64Array): void {
  const { energyBuckets, splits } = plan;
  importSums.fill(0);
  exportSums.fill(0);
  // Neighbours mostly share a bucket: only where another begins a sum goes to memory.
  let bucket = NO_BUCKET;
  let imported = 0;
  let exported = 0;
  for (let i = 0; i < quarters.length; i++) {
    if (energyBuckets[i] !== bucket) {
      importSums[bucket] += imported;
      exportSums[bucket] += exported;
      bucket = energyBuckets[i];
      imported = exported = 0;
    }
    const net = quarters[i];
    if (net > 0) imported += net;
    else exported -= net;
  }
  importSums[bucket] += imported;
  exportSums[bucket] += exported;
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

/** Powers by bucket, of whole demand intervals exact, and the index where each was first. */
const peaks = new Float64Array(NO_BUCKET + 1);
const peakIndexes = new Int32Array(NO_BUCKET + 1);

function addPeaks(plan: MeteringPlan, quarters: Float64Array, quality: Uint8Array, coveredBefore: number): Pick<Determinants, 'peakMicroKw' | 'peakQuarter' | 'momentMicroKw'> {
  const { firstQuarter, demandBuckets, demandBucketCount, demandQuarters, moments } = plan;
  if (demandBucketCount === 0 && moments.length === 0) return { peakMicroKw: [], peakQuarter: [], momentMicroKw: [] };
  const energy = spreadOverGaps(quarters, quality, coveredBefore);
  const count = quarters.length;
  peaks.fill(0);
  peakIndexes.fill(-1);
  if (demandQuarters === 1) {
    for (let i = 0; i < count; i++) {
      const microKw = energy[i] * QUARTERS_PER_HOUR;
      if (microKw <= peaks[demandBuckets[i]]) continue;
      peaks[demandBuckets[i]] = microKw;
      peakIndexes[demandBuckets[i]] = i;
    }
  } else {
    for (let i = 0, next = demandQuarters - (firstQuarter % demandQuarters); i < count; i = next, next += demandQuarters) {
      const microKw = meanMicroKw(energy, i, Math.min(count, next));
      if (microKw <= peaks[demandBuckets[i]]) continue;
      peaks[demandBuckets[i]] = microKw;
      peakIndexes[demandBuckets[i]] = i;
    }
  }
  return {
    peakMicroKw: Array.from(peaks.subarray(0, demandBucketCount)),
    peakQuarter: Array.from(peakIndexes.subarray(0, demandBucketCount), (i) => (i < 0 ? -1 : firstQuarter + i)),
    momentMicroKw: moments.map((quarter) => {
      const first = quarter - (quarter % demandQuarters) - firstQuarter;
      return quarter < firstQuarter || quarter >= firstQuarter + count ? 0 : Math.max(0, meanMicroKw(energy, Math.max(0, first), Math.min(count, first + demandQuarters)));
    }),
  };
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
  if (coveredBefore === 0 && quality.indexOf(QUARTER_QUALITY.covered) < 0) return quarters;
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

function addDays(plan: MeteringPlan, quarters: Float64Array): Pick<Determinants, 'dayImportMicroKwh' | 'dayExportMicroKwh'> {
  const { dayStarts } = plan;
  const dayImportMicroKwh = new Array<number>(dayStarts.length).fill(0);
  const dayExportMicroKwh = new Array<number>(dayStarts.length).fill(0);
  for (let day = 0; day < dayStarts.length; day++) {
    const end = day + 1 < dayStarts.length ? dayStarts[day + 1] : quarters.length;
    let imported = 0;
    let exported = 0;
    for (let i = dayStarts[day]; i < end; i++) {
      const net = quarters[i];
      if (net > 0) imported += net;
      else exported -= net;
    }
    dayImportMicroKwh[day] = imported;
    dayExportMicroKwh[day] = exported;
  }
  return { dayImportMicroKwh, dayExportMicroKwh };
}

const TWO_POW_32 = 2 ** 32;

/** 52 bits of what is known of each quarter-hour, in order: of two states that differ one in 4e15 looks the same. Counts on the way. */
function digestOf(quarters: Float64Array, quality: Uint8Array): { measured: number; missing: number; digest: number } {
  let measured = 0;
  let missing = 0;
  let a = 0x9747b28c;
  let b = 0x3c6ef372;
  // Known alike for most of the time: only where that changes it is mixed in, with its place.
  let known = -1;
  let since = 0;
  for (let i = 0; i <= quarters.length; i++) {
    if (i === quarters.length || quality[i] !== known) {
      if (known === QUARTER_QUALITY.measured) measured += i - since;
      else if (known === QUARTER_QUALITY.missing) missing += i - since;
      if (i === quarters.length) break;
      known = quality[i];
      since = i;
      a = Math.imul(a ^ (i * 4 + known), 0x1b873593);
      b = Math.imul(b + (i * 4 + known), 0xc2b2ae35);
    }
    const net = quarters[i];
    const low = net | 0;
    // Of all but the largest consumers' it is all.
    const word = low === net ? low : low ^ Math.imul(Math.floor(net / TWO_POW_32) + 1, 0x27d4eb2f);
    a = Math.imul(a ^ word, 0xcc9e2d51);
    a = (a << 15) | (a >>> 17);
    b = Math.imul(b + word, 0x85ebca6b);
    b = (b << 13) | (b >>> 19);
  }
  return { measured, missing, digest: (finish(b) >>> 12) * TWO_POW_32 + finish(a) };
}

/** Murmur3's last step: every bit of the word changes half of those that come out. */
function finish(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
