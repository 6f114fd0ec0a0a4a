/** Buckets per doubling: a percentile is at most 2^(1/8), 9 %, above the true value, fine for a progress line. */
const BUCKETS_PER_DOUBLING = 8;
const LOWEST_MS = 0.05;
/** 0.05 ms × 2^22 is 210 s, past every request deadline of the client. */
const DOUBLINGS = 22;

/** Latencies in fixed memory, whatever their number. */
export class LatencyHistogram {
  private readonly buckets = new Float64Array(BUCKETS_PER_DOUBLING * DOUBLINGS + 1);
  private count = 0;

  record(latencyMs: number): void {
    const position = Math.ceil(Math.log2(Math.max(latencyMs, LOWEST_MS) / LOWEST_MS) * BUCKETS_PER_DOUBLING);
    this.buckets[Math.min(position, this.buckets.length - 1)]++;
    this.count++;
  }

  /** Upper edge, in ms, of the bucket that holds the share `quantile` (0 … 1) of all latencies; null before the first. */
  quantileMs(quantile: number): number | null {
    if (this.count === 0) return null;
    const rank = Math.max(1, Math.ceil(quantile * this.count));
    let seen = 0;
    let i = 0;
    while (i < this.buckets.length && (seen += this.buckets[i]) < rank) i++;
    return LOWEST_MS * 2 ** (i / BUCKETS_PER_DOUBLING);
  }
}
