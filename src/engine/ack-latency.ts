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

  /** Upper bound of the bucket that holds it, ms; null when nothing was answered. */
  p99Ms(): number | null {
    const newest = this.samples.at(-1);
    const oldest = this.samples[0];
    if (newest === undefined) return null;
    // Counts fall when a thread was restarted; then only what came since is known.
    const counts = newest.map((count, i) => (count >= (oldest[i] ?? 0) && this.samples.length > 1 ? count - oldest[i] : count));
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) return null;
    let seen = 0;
    for (let i = 0; i < counts.length; i++) {
      seen += counts[i];
      if (seen >= total * 0.99) return ACK_BUCKETS_MS[Math.min(i, ACK_BUCKETS_MS.length - 1)];
    }
    return null;
  }
}
