/** Farthest behind UTC a month is over this much later, and not before that the engine bills it. */
const LAST_ZONE_MS = 12 * 3_600_000;

/** Where the month begins, in UTC, before which all months are over everywhere, or one so many months before it; epoch ms. On the first half day of a month that is still the last one. */
export function monthStart(monthsAgo: number, nowMs = Date.now()): number {
  const now = new Date(nowMs - LAST_ZONE_MS);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - monthsAgo, 1);
}
