import type { PlannedReading } from './planned-readings.ts';
import type { Random } from './random.ts';

/**
 * A meter whose readings are contradicted under readingIds of their own, which is refused, and that are corrected under the same ids a while later: those count, whatever the engine has gone through and however few
 * dead letters it keeps.
 */

/** Before the run's beginning, so that nothing is ahead of its clock. */
const BEGIN_MS_AGO = 120_000;
const STEP_MS = 500;

export class Corrections {
  private readonly random: Random;
  private readonly region: string;
  private readonly nextSeq: () => number;
  private timestamp: number;
  private readonly told: PlannedReading[] = [];
  /** Ids of contradictions that were not corrected yet. */
  private refused: string[] = [];
  private ids = 0;

  constructor(random: Random, region: string, startMs: number, nextSeq: () => number) {
    this.random = random;
    this.region = region;
    this.nextSeq = nextSeq;
    this.timestamp = startMs - BEGIN_MS_AGO;
  }

  /** What the meter's sender says next. */
  next(): PlannedReading[] {
    const { random, told, refused } = this;
    if (told.length === 0 || random.chance(0.2)) return [this.reading()];
    if (refused.length > 0 && random.chance(0.4)) {
      const [readingId] = refused.splice(random.int(0, refused.length - 1), 1);
      return [{ ...this.reading(), readingId }];
    }
    return Array.from({ length: random.int(1, 3) }, () => {
      const readingId = `corrected-${this.ids++}`;
      refused.push(readingId);
      const known = random.pick(told);
      return { ...known, powerKw: known.powerKw + this.ids, seq: this.nextSeq(), readingId };
    });
  }

  private reading(): PlannedReading {
    this.timestamp += STEP_MS;
    const reading = { meterId: 'corrected', region: this.region, timestamp: this.timestamp, powerKw: 1, seq: this.nextSeq() };
    this.told.push(reading);
    return reading;
  }
}
