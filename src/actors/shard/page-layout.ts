import { DETECTOR_BYTES } from './detection/detector-cells.ts';

/**
 * A meter is a row of ROW_BYTES in a page of 64 rows: one ArrayBuffer, seen through typed arrays. A reading of a random meter
 * touches a handful of neighbouring cache lines instead of one line in each of fifty arrays, a page grows the shard without copying
 * what is there, and a snapshot of 64 meters is one memcpy. A page belongs to one partition, so partitions can move.
 *
 * Offsets are bytes from the row's start. Field names end in their unit.
 */
export const ROWS_PER_PAGE = 64;

export const ROW = {
  idLength: 0, // u8
  /** READING_FLAG bits of the newest reading. u8 */
  flags: 1,
  /** Index in the shard's region table, of the newest reading. u16 */
  region: 2,
  /** murmur2 of the id. u32 */
  hash: 4,
  /** 64 bytes. */
  id: 8,
  /** Newest timestamp: the meter's progress in event time. */
  newestMs: 72,
  /** When its newest reading arrived, engine clock. */
  arrivedMs: 80,
  /** Earliest end of an open window; Infinity when none is open. */
  nextEndMs: 88,
  powerKw: 96,
  energyKwh: 104,
  voltage: 112,
  current: 120,
  frequency: 128,
  powerFactor: 136,
  seq: 144,
  /** Accepted readings. */
  readings: 152,
  /** Windows that end at or before this are closed, per granularity in the order of GRANULARITIES. */
  closedMs: 160,
  /** LIVE value. u8 */
  live: 176,
  /** 1 when the newest power is above the dark threshold. u8 */
  powered: 177,
  /** meterTag of the id; follows from it, and is set whenever a row is made or restored. u32 */
  tag: 180,
  slots: 184,
} as const;

/** What the engine makes of a meter's silence. */
export const LIVE = {
  /** Its newest reading was already old when it came: an import. */
  historical: 0,
  reporting: 1,
  silent: 2,
} as const;

/**
 * An open window. Two slots for each granularity, found by parity of the window's number: with an allowed lateness of at most a minute
 * (LATENESS_MS_MAX) no third window of a meter can be open.
 */
export const SLOT = {
  /** Window start; NaN when the slot is empty. */
  startMs: 0,
  /** Newest counted timestamp of the window: whose region is the window's. */
  newestMs: 8,
  powerHigh: 16,
  powerLow: 24,
  powerMin: 32,
  powerMax: 40,
  energyHigh: 48,
  energyLow: 56,
  voltageHigh: 64,
  voltageLow: 72,
  voltageMin: 80,
  voltageMax: 88,
  /** Readings with status OK. u32 */
  count: 96,
  /** Of them with energyKwh. u32 */
  energyCount: 100,
  voltageCount: 104,
  /** Readings of any status, each a sample (1m only). u32 */
  sampleCount: 108,
  /** In an open slot the newest chunk of the sample list; in a stored record the revision. u32 */
  samplesOrRevision: 112,
  /** u16 */
  region: 116,
  /** Of the samples, those that lie in blocks on disk (sample-blocks.ts): a minute has at most 60,000. u16 */
  samplesInBlocks: 118,
} as const;

export const SLOT_BYTES = 120;
export const SLOTS_PER_GRANULARITY = 2;
/** The slots rely on it; later readings correct the stored window instead. */
export const LATENESS_MS_MAX = 60_000;

export const ROW_DETECTOR = ROW.slots + 2 * SLOTS_PER_GRANULARITY * SLOT_BYTES;
/** A multiple of a cache line. */
export const ROW_BYTES = Math.ceil((ROW_DETECTOR + DETECTOR_BYTES) / 64) * 64;

/** Byte offset, from the row's start, of a slot. `granularity` 0 = 1m, 1 = 15m. */
export function slotOffset(granularity: number, windowNumber: number): number {
  return ROW.slots + (granularity * SLOTS_PER_GRANULARITY + (windowNumber & 1)) * SLOT_BYTES;
}
