import { Temporal } from 'temporal-polyfill';

/** Local clocks. A zone's time is a row of stretches in which its clock runs even; within one, local time is arithmetic. */

export const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Stretches remembered, of all zones together: some hundred zones with four years each; then the memory starts anew. */
const STRETCHES_MAX = 1_000;

/** From one clock change to the next: local time is epoch time plus `offsetMs`. */
export interface EvenStretch {
  from: number;
  /** The clock change that ends it; Infinity when none is known. */
  to: number;
  offsetMs: number;
}

const stretchesOfZone = new Map<string, EvenStretch[]>();
let stretchesHeld = 0;

/** The stretch that the time is in. Throws RangeError for a zone that is unknown. */
export function evenStretch(zone: string, atMs: number): EvenStretch {
  let stretches = stretchesOfZone.get(zone);
  if (stretches !== undefined) for (const stretch of stretches) if (atMs >= stretch.from && atMs < stretch.to) return stretch;
  const stretch = findStretch(zone, atMs);
  if (stretchesHeld >= STRETCHES_MAX) {
    stretchesOfZone.clear();
    stretchesHeld = 0;
    stretches = undefined;
  }
  if (stretches === undefined) stretchesOfZone.set(zone, (stretches = []));
  stretches.push(stretch);
  stretchesHeld++;
  return stretch;
}

function findStretch(zone: string, atMs: number): EvenStretch {
  // `previous` is strictly before: a change at this very time begins the stretch.
  const after = Temporal.Instant.fromEpochMilliseconds(Math.floor(atMs) + 1).toZonedDateTimeISO(zone);
  const at = Temporal.Instant.fromEpochMilliseconds(Math.floor(atMs)).toZonedDateTimeISO(zone);
  return {
    from: after.getTimeZoneTransition('previous')?.epochMilliseconds ?? -Infinity,
    to: at.getTimeZoneTransition('next')?.epochMilliseconds ?? Infinity,
    offsetMs: at.offsetNanoseconds / 1_000_000,
  };
}

/** Where a clock stands: the days since 1970-01-01 that its calendar shows, and the milliseconds since its midnight. */
export interface LocalTime {
  day: number;
  timeMs: number;
}

export function localTime(zone: string, atMs: number): LocalTime {
  const localMs = atMs + evenStretch(zone, atMs).offsetMs;
  const day = Math.floor(localMs / DAY_MS);
  return { day, timeMs: localMs - day * DAY_MS };
}

/** When the clock shows this: the first time where it does twice; where it never does, as long after the change as it should have been after the gap's beginning (Temporal's `compatible`). */
export function instantOf(zone: string, { day, timeMs }: LocalTime): number {
  const localMs = day * DAY_MS + timeMs;
  const before = evenStretch(zone, localMs - DAY_MS).offsetMs;
  const after = evenStretch(zone, localMs + DAY_MS).offsetMs;
  if (evenStretch(zone, localMs - before).offsetMs === before) return localMs - before;
  return evenStretch(zone, localMs - after).offsetMs === after ? localMs - after : localMs - before;
}

/** `HH:MM` in milliseconds since midnight. */
export function timeOfDay(text: string): number {
  return (Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5))) * MINUTE_MS;
}

/** `YYYY-MM-DD` in days since 1970-01-01. */
export function dayNumber(date: string): number {
  return Date.parse(`${date}T00:00:00Z`) / DAY_MS;
}

/** 0: Monday, as in WEEKDAYS. */
export function weekdayOf(day: number): number {
  // 1970-01-01 was a Thursday.
  return (((day + 3) % 7) + 7) % 7;
}

/** Whether this names a time zone, as `Europe/Berlin`. */
export function isZone(text: string): boolean {
  // Offsets such as +01:00 are zones to Intl, not to people who change their clocks.
  if (!/^[A-Za-z]/.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
