import { SEVERITIES, type Severity } from '../../model/anomaly.ts';
import type { ChannelName } from '../../model/contact.ts';

/** How many messages a person got on each channel in the last hour. Times are epoch milliseconds. */

export const RATE_SPAN_MS = 3_600_000;
/** Newest messages of a person and channel that are remembered: CRITICAL ones go past every limit, and there may be many. */
export const RATE_TIMES_MAX = 500;

/** Person and channel: ids have no slash. */
export type RateKey = string;

export function rateKey(contactId: string, channel: ChannelName): RateKey {
  return `${contactId}/${channel}`;
}

export class RateLimits {
  /** Times of messages, in order. */
  private readonly times = new Map<RateKey, number[]>();
  private readonly changed = new Set<RateKey>();

  restore(key: RateKey, times: number[]): void {
    this.times.set(key, times);
  }

  /** When the next message may go; `nowMs` when it may at once. `perHourMax` is 1 at least. */
  freeAt(contactId: string, channel: ChannelName, severity: Severity, perHourMax: number, nowMs: number): number {
    if (severity === SEVERITIES.at(-1)) return nowMs;
    const recent = this.recent(rateKey(contactId, channel), nowMs);
    if (recent.length < perHourMax) return nowMs;
    return recent.at(-perHourMax)! + RATE_SPAN_MS;
  }

  /** Messages in the last hour. */
  count(contactId: string, channel: ChannelName, nowMs: number): number {
    return this.recent(rateKey(contactId, channel), nowMs).length;
  }

  /** A message goes. */
  add(contactId: string, channel: ChannelName, nowMs: number): void {
    const key = rateKey(contactId, channel);
    const recent = this.recent(key, nowMs);
    recent.push(nowMs);
    if (recent.length > RATE_TIMES_MAX) recent.shift();
    this.times.set(key, recent);
    this.changed.add(key);
  }

  /** It did not, after all. */
  takeBack(contactId: string, channel: ChannelName, atMs: number): void {
    const key = rateKey(contactId, channel);
    const times = this.times.get(key);
    const index = times === undefined ? -1 : times.lastIndexOf(atMs);
    if (index < 0) return;
    times!.splice(index, 1);
    this.changed.add(key);
  }

  /** Forgets those without a message in the last hour. */
  sweep(nowMs: number): void {
    for (const key of this.times.keys()) {
      if (this.recent(key, nowMs).length > 0) continue;
      this.times.delete(key);
      this.changed.add(key);
    }
  }

  /** What changed since the last call; null: nothing to remember. */
  *drain(): Generator<[RateKey, number[] | null]> {
    for (const key of this.changed) yield [key, this.times.get(key) ?? null];
    this.changed.clear();
  }

  /** Those of the last hour. One of the future is of a clock that was wrong: it does not count. */
  private recent(key: RateKey, nowMs: number): number[] {
    return (this.times.get(key) ?? []).filter((at) => at > nowMs - RATE_SPAN_MS && at <= nowMs);
  }
}
