import { WEEKDAYS, type LocalSpan } from '../../model/contact.ts';
import { DAY_MS, evenStretch, localTime, timeOfDay, weekdayOf } from './local-time.ts';

/**
 * Hours of the week by a local clock: quiet hours, times on call. An instant is in a span when the clock on the wall shows a time of it; so an hour that comes twice is in it twice, and one that
 * never comes is not.
 */

/** Spans repeat weekly, and a clock change can swallow a whole one: what has not changed within two weeks and a bit does not change. */
const CHANGE_WITHIN_MS = 16 * DAY_MS;

/** Whether the time lies in one of the spans; of none it does not. */
export function inSpan(spans: readonly LocalSpan[], zone: string, atMs: number): boolean {
  if (spans.length === 0) return false;
  const { day, timeMs } = localTime(zone, atMs);
  return covers(spans, day, timeMs);
}

/** The next time after `atMs` at which `inSpan` becomes another; Infinity when it stays as it is. */
export function nextChange(spans: readonly LocalSpan[], zone: string, atMs: number): number {
  if (spans.length === 0) return Infinity;
  const edges = [...new Set(spans.flatMap(({ from, to }) => [timeOfDay(from), timeOfDay(to)]))].sort((a, b) => a - b);
  const isIn = inSpan(spans, zone, atMs);
  const endMs = atMs + CHANGE_WITHIN_MS;
  for (let fromMs = atMs; fromMs < endMs; ) {
    const stretch = evenStretch(zone, fromMs);
    const lastDay = Math.floor((Math.min(stretch.to, endMs) + stretch.offsetMs) / DAY_MS);
    for (let day = Math.floor((fromMs + stretch.offsetMs) / DAY_MS); day <= lastDay; day++) {
      for (const edge of edges) {
        const ms = day * DAY_MS + edge - stretch.offsetMs;
        if (ms > fromMs && ms < stretch.to && covers(spans, day, edge) !== isIn) return ms;
      }
    }
    fromMs = stretch.to;
    if (fromMs < endMs && inSpan(spans, zone, fromMs) !== isIn) return fromMs;
  }
  return Infinity;
}

function covers(spans: readonly LocalSpan[], day: number, timeMs: number): boolean {
  for (const span of spans) {
    const from = timeOfDay(span.from);
    const to = timeOfDay(span.to);
    if (to > from) {
      if (timeMs >= from && timeMs < to && isOn(span, day)) return true;
    } else if ((timeMs >= from && isOn(span, day)) || (timeMs < to && isOn(span, day - 1))) return true;
  }
  return false;
}

/** Whether a span begins on that day. */
function isOn({ days }: LocalSpan, day: number): boolean {
  return days.length === 0 || days.includes(WEEKDAYS[weekdayOf(day)]);
}
