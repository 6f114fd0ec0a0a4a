import { Random } from './random.ts';

/** What a run of the pump does, as plain data made from a seed beforehand. */

/** A thing that changes; its newest state is a version, one higher with each change. */
export type EffectKey = `window ${number}` | `anomaly ${number}` | `deadLetter ${number}`;

export type SinkStep =
  | { kind: 'change'; effects: EffectKey[] }
  | { kind: 'wait'; ms: number }
  /** The writer's system is away: what is under way is committed or not, by chance. `denied` and `bug` will not pass by themselves. */
  | { kind: 'writerAway'; ms: number; error: 'unavailable' | 'denied' | 'bug' }
  /** So many of the next writes are committed and their answers lost: at once, or the commit comes only after the pump has given up. */
  | { kind: 'loseAnswers'; answers: number; isLate: boolean }
  /** So many of the next writes fail, in part done where the writer has no transactions. */
  | { kind: 'failWrites'; writes: number; error: 'unavailable' | 'denied' }
  | { kind: 'slowWrites'; writes: number; ms: number }
  | { kind: 'shardAway'; shard: number; ms: number }
  /** The process dies after so many events more, and comes back, perhaps with another number of shards. */
  | { kind: 'kill'; afterEvents: number; downMs: number; shards: number }
  | { kind: 'stop'; timeoutMs: number; downMs: number; shards: number }
  /** The wall clock alone. */
  | { kind: 'clock'; byMs: number };

export interface SinkWorldOptions {
  /** `timescale`: commits all or nothing and keeps cursors. `kafka`: keeps none, and a write that fails may be half done. */
  sink: 'timescale' | 'kafka';
  shards: number;
  windowsPerBatch: number;
  idleMs: number;
  backoffMinMs: number;
  backoffMaxMs: number;
  readMsMax: number;
  writeMsMax: number;
  regions: number;
  /** Windows of this meter are refused for good; -1 for none. */
  poisonedMeter: number;
}

export interface SinkPlan {
  seed: number;
  options: SinkWorldOptions;
  steps: SinkStep[];
}

export const SINK_METERS = 12;
/** Windows of each meter. */
export const WINDOWS_PER_METER = 4;
const ANOMALIES = 8;
const SHARDS_MAX = 3;

export function makeSinkPlan(seed: number, stepCount: number): SinkPlan {
  const random = new Random(seed);
  const options: SinkWorldOptions = {
    sink: random.pick(['timescale', 'timescale', 'kafka']),
    shards: random.int(1, SHARDS_MAX),
    windowsPerBatch: random.pick([1, 3, 20]),
    idleMs: random.pick([50, 200, 1_000]),
    backoffMinMs: random.pick([50, 250]),
    backoffMaxMs: random.pick([1_000, 30_000]),
    readMsMax: random.pick([0, 5, 60]),
    writeMsMax: random.pick([0, 10, 150]),
    regions: random.int(1, 2),
    poisonedMeter: random.chance(0.5) ? random.int(0, SINK_METERS - 1) : -1,
  };
  const maker = new StepMaker(random, options.shards);
  return { seed, options, steps: Array.from({ length: stepCount }, () => maker.next()) };
}

class StepMaker {
  private readonly random: Random;
  private readonly resizes: boolean;
  private shards: number;
  private deadLetters = 0;

  constructor(random: Random, shards: number) {
    this.random = random;
    this.resizes = random.chance(0.4);
    this.shards = shards;
  }

  next(): SinkStep {
    const { random } = this;
    const chance = random.next();
    if (chance < 0.4) return { kind: 'change', effects: Array.from({ length: random.int(1, 6) }, () => this.effect()) };
    if (chance < 0.7) return { kind: 'wait', ms: random.chance(0.7) ? random.int(1, 120) : random.int(120, 1_500) };
    return this.fault();
  }

  private effect(): EffectKey {
    const { random } = this;
    const chance = random.next();
    // Few windows, changed often and by several shards: that is where order matters.
    if (chance < 0.75) return `window ${random.int(0, SINK_METERS * WINDOWS_PER_METER - 1)}`;
    return chance < 0.9 ? `anomaly ${random.int(0, ANOMALIES - 1)}` : `deadLetter ${this.deadLetters++}`;
  }

  private fault(): SinkStep {
    const { random } = this;
    switch (random.int(0, 11)) {
      case 0:
      case 1:
        return { kind: 'writerAway', ms: random.pick([20, 300, 5_000]), error: random.pick(['unavailable', 'unavailable', 'unavailable', 'denied', 'bug'] as const) };
      case 2:
      case 3:
        return { kind: 'loseAnswers', answers: random.int(1, 3), isLate: random.chance(0.4) };
      case 4:
      case 5:
        return { kind: 'failWrites', writes: random.int(1, 3), error: random.chance(0.85) ? 'unavailable' : 'denied' };
      case 6:
        return { kind: 'slowWrites', writes: random.int(1, 3), ms: random.int(100, 4_000) };
      case 7:
        return { kind: 'shardAway', shard: random.int(0, SHARDS_MAX - 1), ms: random.int(20, 2_000) };
      case 8:
      case 9:
        return { kind: 'kill', afterEvents: random.int(0, 30), downMs: random.int(0, 300), shards: this.shardsNext() };
      case 10:
        return { kind: 'stop', timeoutMs: random.pick([10, 500, 5_000]), downMs: random.int(0, 300), shards: this.shardsNext() };
      default:
        return { kind: 'clock', byMs: random.pick([-3_600_000, -60_000, 60_000, 86_400_000]) };
    }
  }

  private shardsNext(): number {
    if (this.resizes && this.random.chance(0.5)) this.shards = this.random.int(1, SHARDS_MAX);
    return this.shards;
  }
}
