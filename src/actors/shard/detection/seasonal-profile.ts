import type { DetectionConfig } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import { F32, F64, FLAG, hasFlag, setFlag, U8 } from './detector-cells.ts';

/** Slots of a week, hours in UTC; 0 = Monday 00:00. */
export const HOURS_PER_WEEK = 168;
const HOURS_PER_DAY = 24;
const HOUR_MS = 3_600_000;
/** 1970-01-01 was a Thursday: its first hour is slot 72. */
const EPOCH_SLOT = 72;
const WEEKS_MAX = 255;

/**
 * A meter's hour-of-week profile is in 24 parts, one for each hour of the day, because an hour is judged by the same hour of other days: for each day of the week the
 * mean (f32, kW), the deviation (u16, logarithmic) and the number of weeks that taught it (u8). Zero bytes are a part that knows nothing.
 */
export const PROFILE_BYTES = 52;
const DAYS_PER_WEEK = 7;
/** Byte offsets of the second and third column in a part. */
const DEVIATION_AT = DAYS_PER_WEEK * 4;
const WEEKS_AT = DAYS_PER_WEEK * 6;

/** Views over one ArrayBuffer and the part's place in it; `at` is a byte offset, a multiple of 4. Owned by the caller. */
export interface ProfileCells {
  f32: Float32Array;
  u16: Uint16Array;
  u8: Uint8Array;
  at: number;
}

/** One meter's profile. */
export interface ProfileSource {
  /** The part of an hour of the day, 0–23. Borrowed until the next call; what is written to it is kept when `changes`. */
  hour(hourOfDay: number, changes: boolean): ProfileCells;
}

/** Views over a whole buffer, standing at its first row. `buffer` is borrowed. */
export function profileCells(buffer: ArrayBufferLike): ProfileCells {
  return { f32: new Float32Array(buffer), u16: new Uint16Array(buffer), u8: new Uint8Array(buffer), at: 0 };
}

/** Hour of the week in UTC, 0 = Monday 00:00 … 167 = Sunday 23:00. */
export function hourOfWeek(epochMs: number): number {
  return (Math.floor(epochMs / HOUR_MS) + EPOCH_SLOT) % HOURS_PER_WEEK;
}

/** Deviations are kept as steps of 2^(1/1400), 0.05 %, from 2^-20 kW (1 mW) to 2^26 kW: all that a meter can vary by. */
const CODE_PER_OCTAVE = 1400;
const CODE_OCTAVE_MIN = -20;

function encodeDeviation(deviationKw: number): number {
  const code = Math.round((Math.log2(deviationKw) - CODE_OCTAVE_MIN) * CODE_PER_OCTAVE);
  return code <= 0 ? 0 : Math.min(code, 0xffff);
}

function decodeDeviation(code: number): number {
  return code === 0 ? 0 : 2 ** (code / CODE_PER_OCTAVE + CODE_OCTAVE_MIN);
}

/** Adds a fed value to the current hour (Welford). */
export function addToHour(cells: DetectorCells, powerKw: number): void {
  const row = cells.at >> 2;
  const count = cells.u8[cells.at + U8.hourCount] + 1;
  const delta = powerKw - cells.f32[row + F32.hourMean];
  cells.u8[cells.at + U8.hourCount] = count;
  cells.f32[row + F32.hourMean] += delta / count;
  cells.f32[row + F32.hourM2] += delta * (powerKw - cells.f32[row + F32.hourMean]);
}

/**
 * Closes the hour of the last window into its slot, and looks up what the profile expects in the hour that begins at `startMs`.
 * Called when that is another hour.
 */
export function turnHour(cells: DetectorCells, profile: ProfileSource, startMs: number, config: DetectionConfig): void {
  const row = cells.at >> 2;
  const count = cells.u8[cells.at + U8.hourCount];
  if (count > 0 && count * cells.f32[row + F32.spacing] >= HOUR_MS * config.seasonalCoverageMin) {
    const slot = hourOfWeek(cells.f64[(cells.at >> 3) + F64.lastStart]);
    learnHour(profile.hour(slot % HOURS_PER_DAY, true), dayOf(slot), cells.f32[row + F32.hourMean], cells.f32[row + F32.hourM2] / count, config);
  }
  cells.u8[cells.at + U8.hourCount] = 0;
  cells.f32[row + F32.hourMean] = 0;
  cells.f32[row + F32.hourM2] = 0;
  const wasSeasonal = isSeasonal(cells);
  setFlag(cells, FLAG.hourOfWeek | FLAG.hourOfDay, false);
  const next = hourOfWeek(startMs);
  expectHour(cells, profile.hour(next % HOURS_PER_DAY, false), dayOf(next), config);
  // A level run's mean is a power without the profile and a departure from it with it; the two do not mix.
  if (isSeasonal(cells) !== wasSeasonal) cells.u8[cells.at + U8.levelRun] = 0;
}

/** True while the profile says what is expected in the current hour. */
export function isSeasonal(cells: DetectorCells): boolean {
  return hasFlag(cells, FLAG.hourOfWeek | FLAG.hourOfDay);
}

/** Notes a window's (winsorised) departure from the profile. Call while isSeasonal. */
export function noteDeparture(cells: DetectorCells, departureKw: number, sincePreviousMs: number, config: DetectionConfig): void {
  const index = (cells.at >> 2) + F32.seasonalVariance;
  const elapsed = Math.min(sincePreviousMs, HOUR_MS);
  const weight = elapsed / (config.seasonalTauMs + elapsed);
  const before = cells.f32[index] || cells.f64[(cells.at >> 3) + F64.variance];
  cells.f32[index] = before + weight * (departureKw * departureKw - before);
}

function dayOf(slot: number): number {
  return Math.floor(slot / HOURS_PER_DAY);
}

function learnHour(profile: ProfileCells, day: number, meanKw: number, withinVariance: number, config: DetectionConfig): void {
  const meanAt = (profile.at >> 2) + day;
  const deviationAt = ((profile.at + DEVIATION_AT) >> 1) + day;
  const weeksAt = profile.at + WEEKS_AT + day;
  const weeks = profile.u8[weeksAt];
  const weight = Math.max(1 / (weeks + 1), config.seasonalWeekWeight);
  const delta = meanKw - profile.f32[meanAt];
  const variance = weeks === 0 ? 0 : decodeDeviation(profile.u16[deviationAt]) ** 2;
  const betweenWeeks = weeks === 0 ? 0 : weight * delta * delta;
  profile.f32[meanAt] += weight * delta;
  profile.u16[deviationAt] = encodeDeviation(Math.sqrt((1 - weight) * (variance + betweenWeeks) + weight * withinVariance));
  profile.u8[weeksAt] = Math.min(weeks + 1, WEEKS_MAX);
}

/**
 * The hour's own mean and variance on this day of the week where it has weeks enough; else those of the same hour on the days that have been seen, with the
 * spread between the days. The variance is then shrunk towards how far the meter departs from its profile in general, which counts as
 * `seasonalPriorWeight` further observations: two quiet Sundays do not make the third one's visitors an anomaly, but an
 * office that keeps its hours is held to them.
 */
function expectHour(cells: DetectorCells, profile: ProfileCells, day: number, config: DetectionConfig): void {
  const weeks = profile.u8[profile.at + WEEKS_AT + day];
  if (weeks >= config.seasonalWeeksMin) {
    const deviation = decodeDeviation(profile.u16[((profile.at + DEVIATION_AT) >> 1) + day]);
    setExpectation(cells, FLAG.hourOfWeek, profile.f32[(profile.at >> 2) + day], deviation * deviation, weeks, config);
    return;
  }
  let days = 0;
  let mean = 0;
  let m2 = 0;
  let variance = 0;
  for (let other = 0; other < DAYS_PER_WEEK; other++) {
    if (profile.u8[profile.at + WEEKS_AT + other] === 0) continue;
    const dayMean = profile.f32[(profile.at >> 2) + other];
    const delta = dayMean - mean;
    days++;
    mean += delta / days;
    m2 += delta * (dayMean - mean);
    variance += decodeDeviation(profile.u16[((profile.at + DEVIATION_AT) >> 1) + other]) ** 2;
  }
  if (days >= config.seasonalDaysMin) setExpectation(cells, FLAG.hourOfDay, mean, (variance + m2) / days, days, config);
}

function setExpectation(cells: DetectorCells, flag: number, meanKw: number, variance: number, observations: number, config: DetectionConfig): void {
  const row = cells.at >> 2;
  const overall = cells.f32[row + F32.seasonalVariance] || cells.f64[(cells.at >> 3) + F64.variance];
  const prior = config.seasonalPriorWeight;
  setFlag(cells, flag, true);
  cells.f32[row + F32.seasonalMean] = meanKw;
  cells.f32[row + F32.seasonalDeviation] = Math.sqrt((observations * variance + prior * overall) / (observations + prior));
}

/** The slots that have been taught for `seasonalWeeksMin` weeks, in order, for queries; allocates. Deviation is the slot's own. */
export function knownHours(profile: ProfileSource, config: DetectionConfig): { hour: number; meanKw: number; deviationKw: number }[] {
  const hours = [];
  for (let hourOfDay = 0; hourOfDay < HOURS_PER_DAY; hourOfDay++) {
    const part = profile.hour(hourOfDay, false);
    for (let day = 0; day < DAYS_PER_WEEK; day++) {
      if (part.u8[part.at + WEEKS_AT + day] < config.seasonalWeeksMin) continue;
      hours.push({
        hour: day * HOURS_PER_DAY + hourOfDay,
        meanKw: part.f32[(part.at >> 2) + day],
        deviationKw: decodeDeviation(part.u16[((part.at + DEVIATION_AT) >> 1) + day]),
      });
    }
  }
  return hours.sort((a, b) => a.hour - b.hour);
}
