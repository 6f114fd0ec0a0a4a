import type { PlannedReading } from './planned-readings.ts';
import type { Random } from './random.ts';

/**
 * Two meters of one region: one sets an extreme of a regional minute and goes ahead until its own window of that minute is old and taken away, the other stays behind and is
 * told late to have left the region within that minute. What the region's extremes are then, only what is remembered of the window that is gone can tell.
 */

const MINUTE_MS = 60_000;
/** Further ahead than windows are kept, and a quarter-hour: 20 min, or 40 min of quarter-hours. */
const AHEAD_MINUTES = [36, 60] as const;
/** As far back as the workload's meters begin, so that there is time to go ahead in. */
const BEGIN_MINUTES_AGO = 290;

export class Parting {
  private readonly random: Random;
  private readonly regions: readonly string[];
  private readonly nextSeq: () => number;
  private minuteMs: number;
  private region = '';
  private turn = 0;

  constructor(random: Random, regions: readonly string[], startMs: number, nextSeq: () => number) {
    this.random = random;
    this.regions = regions;
    this.nextSeq = nextSeq;
    this.minuteMs = Math.floor(startMs / MINUTE_MS - BEGIN_MINUTES_AGO) * MINUTE_MS;
  }

  /** What the two send next, up to `nowMs`; nothing when they have come to the present. */
  next(nowMs: number): PlannedReading[] {
    const { random, minuteMs } = this;
    switch (this.turn++ % 3) {
      case 0:
        this.region = random.pick(this.regions);
        return [this.reading('stays', 0.2, 2), this.reading('goes', random.next() / 2, random.pick([0.001, 9])), ...[1, 2, 3].map((minutes) => this.reading('stays', minutes, 2))];
      case 1: {
        const ahead = random.int(...AHEAD_MINUTES);
        if (minuteMs + ahead * MINUTE_MS > nowMs) {
          this.turn--;
          return [];
        }
        return [this.reading('goes', ahead, 2)];
      }
      default: {
        const late = this.reading('stays', 0.9 + random.next() / 20, 3);
        late.region = random.pick(this.regions);
        this.minuteMs += (AHEAD_MINUTES[1] + 1) * MINUTE_MS;
        return [late];
      }
    }
  }

  /** So many minutes after the minute at hand. */
  private reading(meterId: string, minutes: number, powerKw: number): PlannedReading {
    return { meterId, region: this.region, timestamp: this.minuteMs + Math.floor(minutes * MINUTE_MS), powerKw, seq: this.nextSeq() };
  }
}
