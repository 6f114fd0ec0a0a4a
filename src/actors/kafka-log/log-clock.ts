import type { Clock } from '../../runtime/clock.ts';

/**
 * The log's own time, which is that of whichever machine appends to it: as of the newest record, and as much later as has passed here since. So the clocks of nodes need not agree, and a tick is due
 * when the log will think so.
 */
export class LogClock {
  private readonly clock: Clock;
  private recordMs: number | null = null;
  private seenAtMs = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A record of this time has come. */
  saw(timestampMs: number): void {
    this.recordMs = timestampMs;
    this.seenAtMs = this.clock.monotonic();
  }

  /** Epoch milliseconds; this machine's own before the first record. */
  now(): number {
    return this.recordMs === null ? this.clock.now() : this.recordMs + Math.floor(this.clock.monotonic() - this.seenAtMs);
  }
}
