import type { PlannedReading } from './planned-readings.ts';
import type { Random } from './random.ts';

/**
 * A meter whose readings are contradicted under readingIds of their own, which is refused, and that are corrected under the same ids a while later: those count, whatever the engine has gone through and however few
 * dead letters it keeps. Others are said again under new ids, which are free for another reading after that.
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
  private readonly refused: string[] = [];
  /** Ids under which known readings were said again. */
  private readonly again: string[] = [];
  private ids = 0;

  constructor(random: Random, region: string, startMs: number, nextSeq: () => number) {
    this.random = random;
    this.region = region;
    this.nextSeq = nextSeq;
    this.timestamp = startMs - BEGIN_MS_AGO;
  }

  /** What the meter's sender says next. */
  next(): PlannedReading[] {
    const { random, told, refused, again } = this;
    if (told.length === 0 || random.chance(0.2)) return [this.reading()];
    for (const ids of [refused, again]) {
      if (ids.length === 0 || !random.chance(0.3)) continue;
      const [readingId] = ids.splice(random.int(0, ids.length - 1), 1);
      return [{ ...this.reading(), readingId }];
    }
    if (random.chance(0.2)) {
      const readingId = `again-${this.ids++}`;
      again.push(readingId);
      return [{ ...random.pick(told), seq: this.nextSeq(), readingId }];
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
    return { ...reading };
  }
}
