import type { Severity } from '../../../model/anomaly.ts';

/**
 * One meter's detector state: DETECTOR_BYTES in a caller's ArrayBuffer, a row. A row of zero bytes is a meter that was never
 * seen; a row copied byte for byte goes on exactly where the original stood.
 */
export const DETECTOR_BYTES = 208;

/** Views over one ArrayBuffer and the row's place in it. Owned by the caller, who moves it from row to row. */
export interface DetectorCells {
  f64: Float64Array;
  f32: Float32Array;
  u32: Uint32Array;
  u16: Uint16Array;
  u8: Uint8Array;
  /** Byte offset of the row, a multiple of 8. */
  at: number;
}

/** Views over a whole buffer, standing at its first row. `buffer` is borrowed. */
export function detectorCells(buffer: ArrayBufferLike): DetectorCells {
  return {
    f64: new Float64Array(buffer),
    f32: new Float32Array(buffer),
    u32: new Uint32Array(buffer),
    u16: new Uint16Array(buffer),
    u8: new Uint8Array(buffer),
    at: 0,
  };
}

/** Indexes of f64 cells in a row; add `at >> 3`. */
export const F64 = {
  /** Exponentially weighted mean and variance of the one-minute average, kW and kW². */
  mean: 0,
  variance: 1,
  /** Start of the last window that was observed, epoch ms. */
  lastStart: 2,
  /** Until when the adopted `shift` stands beside the profile, epoch ms. */
  shiftUntil: 3,
  /** By kind (5): start of the open episode; while none is open, the end of the last one. */
  startedAt: 4,
  /** By kind (5): first window of the current run. The run leads into the episode while none is open, out of it while one is. */
  runStart: 9,
} as const;

/** Indexes of f32 cells in a row; add `at >> 2`. */
export const F32 = {
  /** Usual time between readings in event time, and between deliveries by the clock; ms, 0 = unknown. For silence only. */
  cadence: 28,
  arrivalGap: 29,
  /** Usual time between windows, ms; how long one window stands for. */
  spacing: 30,
  /** Average of the window before, for flat lines. */
  lastAvg: 31,
  /** Mean and sum of squared deviations of the current hour, for the profile. */
  hourMean: 32,
  hourM2: 33,
  /** What the profile expects in the current hour, and its deviation; kW. */
  seasonalMean: 34,
  seasonalDeviation: 35,
  /** Adopted departure from the profile, kW. */
  shift: 36,
  /** Lowest ordinary window of the current UTC day (Infinity before its first) and of the last day before it that had any. */
  lowToday: 37,
  lowBefore: 38,
  /** Mean of the current level run: of the power, or of its departure from the profile where that is used. */
  levelMean: 39,
  /** By kind (5): score last told to the sink. */
  reportedScore: 40,
  /** Exponentially weighted square of the departure from the profile, kW²; 0 before the profile was first used. */
  seasonalVariance: 45,
  /** Level of the last flat line, kW: the same one again is a habit. */
  flatLevel: 51,
} as const;

/** Index of the u32 cell in a row; add `at >> 2`. */
export const U32 = {
  /** Windows that fed the baseline. */
  windows: 46,
} as const;

/** Indexes of u16 cells in a row; add `at >> 1`. */
export const U16 = {
  /** By kind (5): length of the current run in windows; saturates. */
  run: 94,
  /** Longest flat stretch that ended, minutes. */
  flatUsual: 99,
  /** Two bits by kind: 0 no episode, 1 INFO, 2 WARN, 3 CRITICAL; then FLAG bits. */
  status: 100,
} as const;

/** Indexes of u8 cells in a row; add `at`. */
export const U8 = {
  /** Anomalous windows of the current level run; saturates. */
  levelRun: 202,
  /** Windows in the current hour, 60 at most. */
  hourCount: 203,
} as const;

/** Bits of `status` above the severities. */
export const FLAG = {
  /** The profile knows the current hour of the week … */
  hourOfWeek: 1 << 10,
  /** … or at least the hour of the day. */
  hourOfDay: 1 << 11,
  /** The open outage is silence, not darkness. */
  silent: 1 << 12,
  /** The current flat run began when its level was not a usual zero. */
  flatCounts: 1 << 13,
  /** Since the last break the meter was seen into a second UTC day, and into a third: the one between was whole. */
  secondDay: 1 << 14,
  wholeDay: 1 << 15,
} as const;

/** Kinds by their place in ANOMALY_KINDS and in the cells that are kept by kind: numbers, because every window asks for each of them. */
export const KIND = { spike: 0, drop: 1, outage: 2, flatLine: 3, voltageBand: 4 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];
/** Severities as `status` holds them. */
export const SEVERITY_CODE = { INFO: 1, WARN: 2, CRITICAL: 3 } as const satisfies Record<Severity, number>;

const RUN_MAX = 0xffff;

/** Severity code of the kind's open episode, 0 when none is open. */
export function openSeverity(cells: DetectorCells, kind: Kind): number {
  return (cells.u16[(cells.at >> 1) + U16.status] >> (2 * kind)) & 3;
}

export function setSeverity(cells: DetectorCells, kind: Kind, code: number): void {
  const shift = 2 * kind;
  const index = (cells.at >> 1) + U16.status;
  cells.u16[index] = (cells.u16[index] & ~(3 << shift)) | (code << shift);
}

export function hasFlag(cells: DetectorCells, flag: number): boolean {
  return (cells.u16[(cells.at >> 1) + U16.status] & flag) !== 0;
}

export function setFlag(cells: DetectorCells, flag: number, on: boolean): void {
  const index = (cells.at >> 1) + U16.status;
  if (on) cells.u16[index] |= flag;
  else cells.u16[index] &= ~flag;
}

/** Adds a window to the kind's run, which begins at `startMs` if there was none. Returns its length, 65,535 at most. */
export function extendRun(cells: DetectorCells, kind: Kind, startMs: number): number {
  const index = (cells.at >> 1) + U16.run + kind;
  const run = cells.u16[index];
  if (run === 0) cells.f64[(cells.at >> 3) + F64.runStart + kind] = startMs;
  if (run === RUN_MAX) return run;
  cells.u16[index] = run + 1;
  return run + 1;
}

export function clearRun(cells: DetectorCells, kind: Kind): void {
  cells.u16[(cells.at >> 1) + U16.run + kind] = 0;
}

export function runStartMs(cells: DetectorCells, kind: Kind): number {
  return cells.f64[(cells.at >> 3) + F64.runStart + kind];
}

/** Time the kind's run stands for when `startMs` is its last window, ms. */
export function runSpanMs(cells: DetectorCells, kind: Kind, startMs: number): number {
  return startMs + cells.f32[(cells.at >> 2) + F32.spacing] - runStartMs(cells, kind);
}
