/** Counts crashes in a sliding window; keeps at most `restartsMax` times. */
export class RestartIntensity {
  private readonly restartsMax: number;
  private readonly withinMs: number;
  /** When the allowed restarts were, oldest first. */
  private readonly restartsAtMs: number[] = [];

  constructor(restartsMax: number, withinMs: number) {
    this.restartsMax = restartsMax;
    this.withinMs = withinMs;
  }

  /** Notes a crash at `nowMs` (monotonic); false when it is one too many for the last `withinMs`. */
  allows(nowMs: number): boolean {
    while (this.restartsAtMs.length > 0 && nowMs - this.restartsAtMs[0] >= this.withinMs) this.restartsAtMs.shift();
    if (this.restartsAtMs.length >= this.restartsMax) return false;
    this.restartsAtMs.push(nowMs);
    return true;
  }
}
