/** A time in a sentence, to the second: `2026-11-27 10:34:17 UTC`. A number that is no date is written as it is. */
export function utcText(epochMs: number): string {
  if (!(Math.abs(epochMs) <= LAST_DATE_MS)) return String(epochMs);
  return `${new Date(epochMs).toISOString().slice(0, -5).replace('T', ' ')} UTC`;
}

/** The last that a Date knows. */
const LAST_DATE_MS = 8.64e15;
