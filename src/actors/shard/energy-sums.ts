import type { DeterminantsRow } from '../../model/determinants-row.ts';
import { NO_BUCKET, QUARTERS_PER_HOUR } from '../../model/energy.ts';
import { ADDABLE, afterValue, POWERS, QUARTERS_PER_DAY, ROW_HEAD, rowStart } from './energy-block.ts';
import type { PlanDay } from './plan-days.ts';

/**
 * Energy added up as it is decoded, where a plan asks for no more than sums: written to memory and read from there again, a meter's month takes twice as long.
 *
 * Days of most meters are whole and known alike. Others are left to whoever reads quarter-hour by quarter-hour.
 */

/** Makes the row that begins at `at` one of nothing. */
export function beginSums(layout: DeterminantsRow, numbers: Float64Array, at: number): void {
  numbers.fill(0, at, at + layout.width);
  numbers.fill(-1, at + layout.peakQuarters, at + layout.moments);
}

/**
 * Adds a day of a block's row to the row of `numbers` that begins at `at`; days come in order. Peaks are energy. False: the day is not whole, or not known alike, or has an energy beyond four bytes, and what is in `numbers`
 * is of no use any more. `block` is one that `energyRows` has passed.
 */
export function addDay(block: Uint8Array, row: number, day: PlanDay, layout: DeterminantsRow, numbers: Float64Array, at: number): boolean {
  if (row >= block[1]) return false;
  const start = rowStart(block, row);
  if (start === rowStart(block, row + 1)) return false;
  const head = block[start];
  const first = block[start + 1];
  if ((head & ADDABLE) !== ADDABLE || first > day.known || first + block[start + 2] < day.to) return false;
  let p = start + 3;
  for (let quarter = first; quarter < day.begin; quarter++) p = afterValue(block, p);
  const isWhole = addRuns(block, p, day, POWERS[head & ROW_HEAD.scaleMask] / 2, layout, numbers, at);
  numbers[at + layout.quality + ((head & ROW_HEAD.measured) !== 0 ? 0 : 1)] += day.to - day.begin;
  return isWhole;
}

/** Makes peaks of energy peaks of power. */
export function endSums(layout: DeterminantsRow, numbers: Float64Array, at: number): void {
  for (let i = at + layout.peaks; i < at + layout.peakQuarters; i++) numbers[i] *= QUARTERS_PER_HOUR;
}

/** `half`: of a unit, as zigzag values are twice theirs. */
function addRuns(block: Uint8Array, start: number, { day, begin, ends, energyBuckets, demandBuckets }: PlanDay, half: number, layout: DeterminantsRow, numbers: Float64Array, at: number): boolean {
  const exportsAt = at + layout.exported;
  let p = start;
  let quarter = begin;
  for (let run = 0; run < ends.length; run++) {
    const end = ends[run];
    let imported = 0;
    let exported = 0;
    // Of four bytes: 96 of them are more than 31 bits.
    let longImported = 0;
    let longExported = 0;
    let peak = 0;
    let peakAt = -1;
    // With `| 0` no sum is looked at for being more than 31 bits: a seventh of the time.
    for (; quarter < end; quarter = (quarter + 1) | 0) {
      let zigzag = block[p];
      p = (p + 1) | 0;
      if (zigzag >= 0x80) {
        const second = block[p];
        p = (p + 1) | 0;
        zigzag = (zigzag & 0x7f) | ((second & 0x7f) << 7);
        if (second >= 0x80) {
          const third = block[p];
          p = (p + 1) | 0;
          zigzag |= (third & 0x7f) << 14;
          if (third >= 0x80) {
            const fourth = block[p];
            if (fourth >= 0x80) return false;
            p = (p + 1) | 0;
            zigzag |= fourth << 21;
            if ((zigzag & 1) !== 0) longExported += zigzag + 1;
            else longImported += zigzag;
            if ((zigzag & 1) === 0 && zigzag > peak) {
              peak = zigzag;
              peakAt = quarter;
            }
            continue;
          }
        }
      }
      if ((zigzag & 1) !== 0) exported = (exported + zigzag + 1) | 0;
      else {
        imported = (imported + zigzag) | 0;
        if (zigzag > peak) {
          peak = zigzag;
          peakAt = quarter;
        }
      }
    }
    const energyBucket = energyBuckets[run];
    if (energyBucket !== NO_BUCKET) {
      numbers[at + energyBucket] += (imported + longImported) * half;
      numbers[exportsAt + energyBucket] += (exported + longExported) * half;
    }
    const demandBucket = demandBuckets[run];
    if (demandBucket !== NO_BUCKET && peak * half > numbers[at + layout.peaks + demandBucket]) {
      numbers[at + layout.peaks + demandBucket] = peak * half;
      numbers[at + layout.peakQuarters + demandBucket] = day * QUARTERS_PER_DAY + peakAt;
    }
  }
  return true;
}
