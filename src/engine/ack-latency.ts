import { ACK_BUCKETS_MS } from '../actors/ingest/ingest-stats.ts';

/** 99th percentile of the ack latency over the last minute, from the ingest threads' bucket counts since their start. */

const WINDOW_SAMPLES = 60;

export class AckLatency {
  private readonly samples: number[][] = [];

  /** Takes in the counts of all threads, added up; call once a second. */
  add(buckets: readonly number[]): void {
    this.samples.push([...buckets]);
    if (this.samples.length > WINDOW_SAMPLES) this.samples.shift();
  }

  /** Interpolated within the bucket that holds it, ms; null when nothing was answered. */
  p99Ms(): number | null {
    const newest = this.samples.at(-1);
    const oldest = this.samples[0];
    if (newest === undefined) return null;
    // Counts fall when a thread was restarted; then only what came since is known.
    const counts = newest.map((count, i) => (count >= (oldest[i] ?? 0) && this.samples.length > 1 ? count - oldest[i] : count));
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) return null;
    const rank = total * 0.99;
    let below = 0;
    for (let i = 0; i < counts.length; i++) {
      if (below + counts[i] >= rank) {
        const lower = i === 0 ? 0 : ACK_BUCKETS_MS[i - 1];
        // The last bucket has no upper bound.
        const upper = ACK_BUCKETS_MS[Math.min(i, ACK_BUCKETS_MS.length - 1)];
        return lower + (upper - lower) * ((rank - below) / counts[i]);
      }
      below += counts[i];
    }
    return null;
  }
}
