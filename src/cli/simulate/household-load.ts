import { DRAW, draw } from './seeded-random.ts';

/** How a simulated household uses and makes power: shapes after published mean load profiles (BDEW H0, ELEXON class 1), not fitted to any one. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A kettle is on at most once in each of these. */
const KETTLE_SLOT_MS = 600_000;
/** Winter peaks in the middle of January. */
const COLDEST_DAY = 15;
const YEAR_DAYS = 365.2425;
const SOLAR_SHARE = 0.2;

/** Net kW of the household at one instant: load − solar; negative is export. `atMs` is UTC epoch time. */
export function netPowerKw(seed: number, meter: number, atMs: number): number {
  return loadKw(seed, meter, atMs) - solarKw(seed, meter, atMs);
}

function loadKw(seed: number, meter: number, atMs: number): number {
  const size = 0.5 + 1.1 * draw(seed, DRAW.household, meter, 0);
  const habitShiftH = 2 * draw(seed, DRAW.household, meter, 1) - 1;
  const hour = (atMs % DAY_MS) / HOUR_MS;
  const activity = dayCurve((hour - habitShiftH + 24) % 24, isWeekend(atMs));
  const season = 1 + 0.35 * Math.cos((2 * Math.PI * (dayOfYear(atMs) - COLDEST_DAY)) / YEAR_DAYS);
  const wobble = 0.8 + 0.4 * draw(seed, DRAW.wobble, meter, atMs);
  return (baseKw(seed, meter, atMs) + size * activity * season) * wobble + kettleKw(seed, meter, atMs, activity);
}

/** Standby and a refrigerator that runs a third of the time. */
function baseKw(seed: number, meter: number, atMs: number): number {
  const cycleMs = (40 + 20 * draw(seed, DRAW.household, meter, 2)) * 60_000;
  const running = ((atMs + meter * 7_919_000) % cycleMs) / cycleMs < 0.34;
  return 0.06 + 0.08 * draw(seed, DRAW.household, meter, 3) + (running ? 0.1 : 0);
}

/** kW of an average household above its base by hour of day: a peak in the morning, a higher one in the evening. */
function dayCurve(hour: number, weekend: boolean): number {
  const morning = weekend ? 0.45 * bell(hour, 9.5, 2) : 0.55 * bell(hour, 7.3, 1.1);
  const midday = weekend ? 0.35 * bell(hour, 13, 2.5) : 0.15 * bell(hour, 12.5, 2);
  return 0.12 + morning + midday + 0.95 * bell(hour, 19.2, 2.1);
}

function bell(hour: number, centre: number, width: number): number {
  const distance = Math.min(Math.abs(hour - centre), 24 - Math.abs(hour - centre)) / width;
  return Math.exp(-0.5 * distance * distance);
}

/** A few minutes of 2–3 kW now and then, the more the busier the household. */
function kettleKw(seed: number, meter: number, atMs: number, activity: number): number {
  const slot = Math.floor(atMs / KETTLE_SLOT_MS);
  const chance = draw(seed, DRAW.kettle, meter, slot);
  if (chance >= 0.2 * activity) return 0;
  const detail = (chance / (0.2 * activity)) * 16;
  const startMs = slot * KETTLE_SLOT_MS + (detail % 1) * (KETTLE_SLOT_MS - 240_000);
  const lastsMs = 120_000 + (Math.floor(detail) / 16) * 120_000;
  return atMs >= startMs && atMs < startMs + lastsMs ? 2 + (Math.floor(detail) % 8) / 8 : 0;
}

/** Solar generation of the fifth of households that have panels: a sine over daylight, dimmed by clouds that drift by in ten-minute steps. */
function solarKw(seed: number, meter: number, atMs: number): number {
  if (draw(seed, DRAW.solar, meter) >= SOLAR_SHARE) return 0;
  const peakKw = 2.5 + 3.5 * draw(seed, DRAW.solar, meter, 1);
  const summer = -Math.cos((2 * Math.PI * (dayOfYear(atMs) - COLDEST_DAY)) / YEAR_DAYS);
  const daylightH = 12 + 4 * summer;
  const sinceDawnH = (atMs % DAY_MS) / HOUR_MS - (12 - daylightH / 2);
  if (sinceDawnH <= 0 || sinceDawnH >= daylightH) return 0;
  const height = Math.sin((Math.PI * sinceDawnH) / daylightH) * (0.65 + 0.35 * summer);
  return peakKw * height * (0.35 + 0.65 * clearSky(seed, atMs));
}

/** 0 … 1, the same over the whole grid, interpolated between ten-minute steps. */
function clearSky(seed: number, atMs: number): number {
  const step = Math.floor(atMs / KETTLE_SLOT_MS);
  const share = (atMs % KETTLE_SLOT_MS) / KETTLE_SLOT_MS;
  return draw(seed, DRAW.cloud, step) * (1 - share) + draw(seed, DRAW.cloud, step + 1) * share;
}

/** 1970-01-01 was a Thursday. */
function isWeekend(atMs: number): boolean {
  const weekday = (Math.floor(atMs / DAY_MS) + 4) % 7;
  return weekday === 0 || weekday === 6;
}

function dayOfYear(atMs: number): number {
  return (atMs / DAY_MS) % YEAR_DAYS;
}
