import { daysBetween } from './billed-days.ts';
import { wholeDays, type StoredComparison } from './comparison-book.ts';
import { METERS_PER_QUESTION_MAX, type EnergySource } from './energy-source.ts';
import { placesOf } from './meter-places.ts';
import type { MeterPlace } from './protocol.ts';

/** The meters of a comparison, page by page. */

/** Determinants of a page, each some 200 bytes: all its meters and months. */
const PAGE_DETERMINANTS = 4 * METERS_PER_QUESTION_MAX;
/** Meters that lie on one page of a shard, and are read together. */
const PAGE_METERS_MIN = 64;
const DAYS_PER_MONTH_MAX = 31;

export interface MeterPage {
  meters: MeterPlace[];
  /** Named, and not there. */
  unknown: string[];
  /** Where the next one begins; null: it is the last. */
  next: string | null;
}

/** `limit`: meters of a page; undefined: as many as go with the months that each is asked for. */
export function comparisonPages(energy: EnergySource, comparison: StoredComparison, limit = pageMeters(comparison)): (after: string | null) => Promise<MeterPage> {
  const { of } = comparison;
  if (of.kind !== 'meters') {
    return async (after) => {
      const { meters, next } = await energy.meters(after, limit);
      return { meters: of.kind === 'region' ? meters.filter(({ region }) => region === of.region) : meters, unknown: [], next };
    };
  }
  return async (after) => {
    const first = Number(after ?? 0);
    const ids = of.meterIds.slice(first, first + limit);
    const places = await placesOf(energy, ids);
    return { meters: places.filter((place) => place !== null), unknown: ids.filter((_, i) => places[i] === null), next: first + limit < of.meterIds.length ? String(first + limit) : null };
  };
}

function pageMeters(comparison: StoredComparison): number {
  const months = Math.ceil(daysBetween(wholeDays(comparison)) / DAYS_PER_MONTH_MAX);
  return Math.max(PAGE_METERS_MIN, Math.min(METERS_PER_QUESTION_MAX, Math.floor(PAGE_DETERMINANTS / months)));
}
