import type { RejectCode } from '../../model/reading.ts';

/** Counters of the ingest actor: plain numbers, so that counting costs nothing and a snapshot can be cloned to another thread. */

/**
 * Upper bounds of the ack latency buckets, milliseconds, inclusive; one more bucket takes what lies above. Closest around the goal of 10 ms;
 * the last is the default deadline of a batch.
 */
export const ACK_BUCKETS_MS: readonly number[] = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/** All counts are since the start of the thread. */
export interface IngestStatsSnapshot {
  /** Requests by the status they were answered with. */
  requests: Record<number, number>;
  /** Requests taken and not yet answered, now. */
  requestsPending: number;
  /** Bytes of bodies, after gzip. */
  bodyBytes: number;
  /** Readings by what their shard made of them, counted when it answered. */
  readingsAccepted: number;
  readingsDuplicate: number;
  /** By RejectCode; the ingest thread's and the shards'. Those of a request that was then refused are not in it. */
  rejects: Partial<Record<RejectCode, number>>;
  /** From the body being there to the answer, of requests answered with 202. `buckets[i]` counts (bound i−1, bound i], not cumulative. */
  ackLatency: { sumMs: number; maxMs: number; buckets: number[] };
  batches: { sent: number; inFlight: number; failed: number; readings: number; readingsMax: number; bytes: number };
  /** By shard: readings and bytes waiting to be sent, whether it is up. */
  shards: { queuedReadings: number; queuedBytes: number; up: boolean }[];
}

export class IngestStats {
  requestsPending = 0;
  bodyBytes = 0;
  readingsAccepted = 0;
  readingsDuplicate = 0;
  readonly batches = { sent: 0, inFlight: 0, failed: 0, readings: 0, readingsMax: 0, bytes: 0 };
  private readonly requests: Record<number, number> = {};
  private readonly rejects: Partial<Record<RejectCode, number>> = {};
  private readonly ackBuckets = new Float64Array(ACK_BUCKETS_MS.length + 1);
  private ackSumMs = 0;
  private ackMaxMs = 0;

  answered(status: number, latencyMs: number): void {
    this.requests[status] = (this.requests[status] ?? 0) + 1;
    if (status !== 202) return;
    this.ackSumMs += latencyMs;
    if (latencyMs > this.ackMaxMs) this.ackMaxMs = latencyMs;
    let bucket = 0;
    while (bucket < ACK_BUCKETS_MS.length && latencyMs > ACK_BUCKETS_MS[bucket]) bucket++;
    this.ackBuckets[bucket]++;
  }

  rejected(code: RejectCode): void {
    this.rejects[code] = (this.rejects[code] ?? 0) + 1;
  }

  batchSent(readings: number, bytes: number): void {
    const { batches } = this;
    batches.sent++;
    batches.inFlight++;
    batches.readings += readings;
    batches.bytes += bytes;
    if (readings > batches.readingsMax) batches.readingsMax = readings;
  }

  snapshot(shards: IngestStatsSnapshot['shards']): IngestStatsSnapshot {
    return {
      requests: { ...this.requests },
      requestsPending: this.requestsPending,
      bodyBytes: this.bodyBytes,
      readingsAccepted: this.readingsAccepted,
      readingsDuplicate: this.readingsDuplicate,
      rejects: { ...this.rejects },
      ackLatency: { sumMs: this.ackSumMs, maxMs: this.ackMaxMs, buckets: Array.from(this.ackBuckets) },
      batches: { ...this.batches },
      shards,
    };
  }
}
