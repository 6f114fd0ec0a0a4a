/** How long nobody was served: the longest time between two acknowledgements while senders were trying. */
export class Availability {
  /** Since the last `take`. */
  private longestMs = 0;
  private lastMs: number | null = null;
  private readonly nowMs: () => number;

  /** `nowMs` is monotonic. */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  resume(): void {
    this.lastMs = this.nowMs();
  }

  /** What follows is nobody's fault: senders pause, or `seg prove` copies files. */
  suspend(): void {
    this.note();
    this.lastMs = null;
  }

  acknowledged(): void {
    this.note();
    this.lastMs = this.nowMs();
  }

  take(): number {
    const taken = this.longestMs;
    this.longestMs = 0;
    return taken;
  }

  private note(): void {
    if (this.lastMs !== null) this.longestMs = Math.max(this.longestMs, this.nowMs() - this.lastMs);
  }
}
