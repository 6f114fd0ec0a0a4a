/** What outages of single meters and of whole regions have to do with each other: of the two only one is told. */

/**
 * An outage waits so long, ms, where it looks as if others were to follow (region-dark.ts): meters of a region that lost power are noticed one by one, as their silence grows too long
 * for each, and come back one by one. Less than people notice beside the minutes that a silence takes to be one.
 */
export const COMPANY_WAIT_MS = 15_000;

/** What the rules for whole regions say of an outage. */
export interface RegionJudgement {
  /** Start of the incident that the outages in the region are part of, epoch ms; null where there is none. */
  darkSince(region: string): number | null;
  /** There was one among what is being judged, and it is over. */
  wasDark(region: string): boolean;
  /** So many meters went out within COMPANY_WAIT_MS that it may become one. */
  mayBecomeDark(region: string, nowMs: number): boolean;
}
