import type { Anomaly } from '../../model/anomaly.ts';
import { ANOMALIES_PER_REPORT_MAX, MISSED_ANOMALIES_MS_MAX, UNREPORTED_ANOMALIES_MAX } from './actor-bounds.ts';
import type { ShardReport } from './protocol.ts';

/**
 * Episodes that are in the store and that nobody was told of. When a whole fleet falls silent there are more at once than reports carry: then the report says so, and who listens reads them from the store. It says so
 * when there are no more, for each time all of it is read.
 */
export class UnreportedAnomalies {
  private waiting: Anomaly[] = [];
  /** On the monotonic clock, when the first was left out that nobody knows of; null: none was. */
  private missedSinceMs: number | null = null;
  private hasMissedMore = false;

  /** Written in one step, at `nowMs` of the monotonic clock. */
  add(written: readonly Anomaly[], nowMs: number): void {
    const room = UNREPORTED_ANOMALIES_MAX - this.waiting.length;
    this.waiting.push(...(written.length <= room ? written : written.slice(0, room)));
    if (written.length <= room) return;
    this.missedSinceMs ??= nowMs;
    this.hasMissedMore = true;
  }

  /** For the next report. */
  take(nowMs: number): Pick<ShardReport, 'anomalies' | 'anomaliesMissed'> {
    const { missedSinceMs, hasMissedMore } = this;
    this.hasMissedMore = false;
    if (missedSinceMs === null || (hasMissedMore && nowMs < missedSinceMs + MISSED_ANOMALIES_MS_MAX)) return { anomalies: this.waiting.splice(0, ANOMALIES_PER_REPORT_MAX) };
    // Those that wait are in the store, and some are older than what is read there.
    this.waiting = [];
    this.missedSinceMs = null;
    return { anomalies: [], anomaliesMissed: true };
  }
}
