import type { AlertRules } from './rules.ts';

/** Rules as a document again, every default written out: what `parseAlertRules` reads back as the same rules. */

/** Fields that are durations, wherever they stand in the document. */
const DURATION_FIELDS: ReadonlySet<string> = new Set(['for', 'groupWait', 'groupInterval', 'repeatInterval', 'after', 'within', 'stableFor', 'historyAfter']);
/** Largest first. */
const UNITS = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1_000]] as const;

export function rulesDocument(rules: AlertRules): object {
  return JSON.parse(JSON.stringify(rules, (key, value: unknown) => (DURATION_FIELDS.has(key) && typeof value === 'number' ? durationText(value) : value))) as object;
}

function durationText(ms: number): string {
  const [unit, unitMs] = UNITS.find(([, length]) => ms >= length && ms % length === 0) ?? ['ms', 1];
  return ms === 0 ? '0s' : `${ms / unitMs}${unit}`;
}
