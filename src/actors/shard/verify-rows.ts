import { ID_BYTE_ALLOWED, ID_BYTES_MAX, murmur2, partitionOfHash } from '../../model/ids.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { rowOffset, type MeterPage } from './meter-pages.ts';
import { LIVE, ROW, SLOT, SLOT_BYTES, SLOTS_PER_GRANULARITY } from './page-layout.ts';
import { slotAvgPowerKw, slotVoltageAvg, type SlotCells } from './window-accumulator.ts';

/** What must be true of a row and of a window whatever was sent; null when it is, else what is not. */

export const WINDOW_MS = GRANULARITIES.map((granularity) => GRANULARITY_MS[granularity]);
/** A mean is rounded to this. */
const ROUNDING = 1e-9;

export interface StoreShape {
  partitionCount: number;
  regionCount: number;
}

export function rowProblem(page: MeterPage, row: number, shape: StoreShape): string | null {
  const at = rowOffset(row);
  const value = (offset: number): number => page.f64[(at + offset) >> 3];
  const idLength = page.u8[at + ROW.idLength];
  if (idLength < 1 || idLength > ID_BYTES_MAX) return `its id has ${idLength} bytes`;
  const id = page.u8.subarray(at + ROW.id, at + ROW.id + idLength);
  if (id.some((byte) => ID_BYTE_ALLOWED[byte] === 0)) return 'its id holds bytes that no id may hold';
  const hash = page.u32[(at + ROW.hash) >> 2];
  if (hash !== murmur2(id, 0, idLength)) return 'its hash is not that of its id';
  if (partitionOfHash(hash, shape.partitionCount) !== page.partition) return 'it belongs to another partition';
  if (page.u16[(at + ROW.region) >> 1] >= shape.regionCount) return 'its region is not known';
  if (!Number.isSafeInteger(value(ROW.readings)) || value(ROW.readings) < 1) return `it counts ${value(ROW.readings)} readings`;
  if (!Number.isFinite(value(ROW.newestMs)) || !Number.isFinite(value(ROW.arrivedMs))) return 'its newest reading has no time';
  if (!Number.isFinite(value(ROW.powerKw))) return 'its power is not a number';
  if (page.u8[at + ROW.live] > LIVE.silent || page.u8[at + ROW.powered] > 1) return 'its health is none that there is';
  let nextEnd = Infinity;
  for (let s = 0; s < 2 * SLOTS_PER_GRANULARITY; s++) {
    const slot = at + ROW.slots + s * SLOT_BYTES;
    const startMs = page.f64[slot >> 3];
    // NaN marks an empty slot.
    if (startMs !== startMs) continue;
    const granularity = s >> 1;
    const length = WINDOW_MS[granularity];
    if (startMs % length !== 0 || ((startMs / length) & 1) !== (s & 1)) return `an open window begins at ${startMs}, which is no place for it`;
    if (startMs + length <= value(ROW.closedMs + granularity * 8)) return `its window of ${new Date(startMs).toISOString()} is open though it was closed`;
    const problem = windowProblem(page, slot, granularity, shape.regionCount);
    if (problem !== null) return `its open window of ${new Date(startMs).toISOString()}: ${problem}`;
    nextEnd = Math.min(nextEnd, startMs + length);
  }
  return value(ROW.nextEndMs) === nextEnd ? null : 'its next window to close is not the first of the open ones';
}

/** Of an open slot or a stored record. */
export function windowProblem(cells: SlotCells, at: number, granularity: number, regionCount: number): string | null {
  const f64 = (offset: number): number => cells.f64[(at + offset) >> 3];
  const u32 = (offset: number): number => cells.u32[(at + offset) >> 2];
  const [count, samples] = [u32(SLOT.count), u32(SLOT.sampleCount)];
  if (granularity === 0 ? samples === 0 || count > samples : samples !== 0 || count === 0) return `${count} readings count in it and ${samples} are remembered`;
  if (cells.u16[(at + SLOT.samplesInBlocks) >> 1] > samples) return 'more of its readings lie in blocks than there are';
  if (u32(SLOT.energyCount) > count || u32(SLOT.voltageCount) > count) return 'more readings carried an energy or a voltage than there are';
  if (count === 0) return null;
  for (const offset of [SLOT.powerHigh, SLOT.powerLow, SLOT.energyHigh, SLOT.energyLow, SLOT.voltageHigh, SLOT.voltageLow]) {
    if (!Number.isSafeInteger(f64(offset))) return 'a sum is not a whole number';
  }
  if (!isBetween(f64(SLOT.powerMin), slotAvgPowerKw(cells, at), f64(SLOT.powerMax))) return 'its mean power is not between the lowest and the highest';
  if (u32(SLOT.voltageCount) > 0 && !isBetween(f64(SLOT.voltageMin), slotVoltageAvg(cells, at), f64(SLOT.voltageMax))) return 'its mean voltage is not between the lowest and the highest';
  const newest = f64(SLOT.newestMs);
  if (!(newest >= f64(SLOT.startMs) && newest < f64(SLOT.startMs) + WINDOW_MS[granularity])) return 'its newest reading lies outside';
  return cells.u16[(at + SLOT.region) >> 1] < regionCount ? null : 'its region is not known';
}

function isBetween(min: number, mean: number, max: number): boolean {
  return Number.isFinite(min) && Number.isFinite(max) && min <= max && mean >= min - ROUNDING - Math.abs(min) * Number.EPSILON * 4 && mean <= max + ROUNDING + Math.abs(max) * Number.EPSILON * 4;
}
