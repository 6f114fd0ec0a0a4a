import type { Random } from './random.ts';

/** What goes wrong in a run. */
export type FaultStep =
  /** kill -9 after that many further events, counted from the next time that a log is trimmed if `atTrim`; the next process may have other thread counts. */
  | { kind: 'crash'; atTrim: boolean; afterEvents: number; underWay: 'lost' | 'kept'; downMs: number; shards: number; ingestThreads: number; dieAtCommit: number }
  /** A clean stop and start. */
  | { kind: 'restart'; shards: number; ingestThreads: number; dieAtCommit: number }
  /** One shard's thread dies, after so many events too. `isAbrupt`: what it had sent is lost with it. */
  | { kind: 'killShard'; shard: number; atTrim: boolean; afterEvents: number; underWay: 'lost' | 'kept'; isAbrupt: boolean }
  | { kind: 'killIngest'; ingest: number; afterEvents: number }
  | { kind: 'killRegion' }
  /** So many commits fail for want of space. */
  | { kind: 'diskFull'; shard: number; commits: number }
  /** A commit fails for good: the shard must crash and come back. */
  | { kind: 'diskBroken'; shard: number }
  /** So many commits take this long. */
  | { kind: 'diskSlow'; shard: number; commits: number; ms: number }
  | { kind: 'clock'; byMs: number }
  /** So many answers never reach their client. */
  | { kind: 'loseAnswers'; answers: number };

interface FaultLimits {
  clockJumps: boolean;
  /** All deaths come when a log was trimmed, not every other one. */
  diesAtTrims: boolean;
  shards: number;
  ingestThreads: number;
}

/** An event is one timer, delivery or end of a commit; between two of a batch's there are a few. */
const EVENTS_UNTIL_CRASH_MAX = 25;
const SHARDS_MAX = 3;

export class FaultMaker {
  private readonly random: Random;
  private readonly limits: FaultLimits;
  private readonly resizes: boolean;
  private deaths = 0;

  constructor(random: Random, limits: FaultLimits) {
    this.random = random;
    this.limits = limits;
    this.resizes = random.chance(0.3);
  }

  next(): FaultStep {
    const { random } = this;
    const shard = random.int(0, SHARDS_MAX - 1);
    const afterEvents = random.int(0, EVENTS_UNTIL_CRASH_MAX);
    const underWay = random.pick(['lost', 'kept'] as const);
    switch (random.int(0, this.limits.clockJumps ? 11 : 9)) {
      case 0:
      case 1:
        return { kind: 'crash', atTrim: this.isAtTrim(), afterEvents, underWay, downMs: random.int(0, 300), ...this.nextCounts() };
      case 2:
        return { kind: 'restart', ...this.nextCounts() };
      case 3:
      case 4:
        return { kind: 'killShard', shard, atTrim: this.isAtTrim(), afterEvents, underWay, isAbrupt: random.chance(0.5) };
      case 5:
        return random.chance(0.7) ? { kind: 'killIngest', ingest: random.int(0, 1), afterEvents } : { kind: 'killRegion' };
      case 6:
      case 7:
        return { kind: 'diskFull', shard, commits: random.int(1, 3) };
      case 8:
        return random.chance(0.3) ? { kind: 'diskBroken', shard } : { kind: 'diskSlow', shard, commits: random.int(1, 3), ms: random.int(50, 1_500) };
      case 9:
        return { kind: 'loseAnswers', answers: random.int(1, 4) };
      default:
        return { kind: 'clock', byMs: this.jump() };
    }
  }

  /** Every other one, without a draw: what the generator gives to the rest stays as it was. */
  private isAtTrim(): boolean {
    return this.deaths++ % 2 === 1 || this.limits.diesAtTrims;
  }

  private jump(): number {
    const { random } = this;
    const magnitude = random.pick([1_000, 20_000, 60_000, 400_000, 2_000_000]);
    return random.chance(0.75) ? random.int(1, magnitude) : -random.int(1, Math.min(magnitude, 120_000));
  }

  private nextCounts(): { shards: number; ingestThreads: number; dieAtCommit: number } {
    const { random, limits } = this;
    if (this.resizes && random.chance(0.6)) limits.shards = random.int(1, SHARDS_MAX);
    if (random.chance(0.5)) limits.ingestThreads = random.int(1, 2);
    return { shards: limits.shards, ingestThreads: limits.ingestThreads, dieAtCommit: random.chance(0.3) ? random.int(0, 6) : -1 };
  }
}
