import { redistribute } from '../../src/actors/shard/redistribution.ts';
import { DEFAULT_DETECTION, type DetectionConfig } from '../../src/actors/shard/detection/detection-config.ts';
import type { ShardStateConfig } from '../../src/actors/shard/state.ts';
import type { RetentionOptions } from '../../src/actors/shard/window-retention.ts';
import { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { checkEnd, checkStep, EnergyWatch, RevisionWatch, UnwrittenWatch } from './checkers.ts';
import { Clients } from './client.ts';
import { openJournal, SimDisk } from './disk.ts';
import { EffectWatch, outboxOf } from './effect-watch.ts';
import { EngineProcess } from './engine-process.ts';
import { LogOracle } from './log-oracle.ts';
import { describeStep, type Plan, type Step, type WorldOptions } from './plan.ts';
import { SIM_START_MS, type PlannedReading } from './planned-readings.ts';
import { Random } from './random.ts';
import { SimTime } from './sim-thread.ts';
import type { Watch, WatchedWorld } from './watched-world.ts';

/** A machine, its disks, its clients and one engine after the other on it: runs a plan and says what went wrong. */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Thresholds at which the detector has something to say within a run. */
export const SIM_DETECTION: DetectionConfig = {
  ...DEFAULT_DETECTION,
  warmupWindows: 5,
  levelEnterMs: MINUTE_MS,
  levelExitMs: MINUTE_MS,
  adoptWindows: 10,
  flatWindows: 8,
  flatMs: 8 * MINUTE_MS,
  // Above the allowed lateness, as the default is: a row is looked at no earlier than that after a reading.
  silenceMinMs: 61_000,
  cadenceUnknownMs: 61_000,
  silenceCriticalMs: 5 * MINUTE_MS,
  darkRegionReportingMin: 2,
};

/** Once faults stop, everything sent is answered within this, ms: the slowest commits, a client's patience and back-offs of restarts. */
const DRAIN_MS_MAX = 90_000;
/** A shard whose disk was full tries again after 1 s. */
const SETTLE_MS = 1_500;
/** … and then a new reading is acknowledged within this, ms: two deliveries and commits. */
const PROBE_MS_MAX = 2_000;
/** A start that takes longer than this hangs, ms. */
const START_MS_MAX = 60_000;
const RESTART_AFTER_ESCALATION_MS = 500;
/** Who dies at a trim dies within so many events: the next steps write what the log that is left may lack. */
const EVENTS_AFTER_TRIM = 4;
/** Longer than any allowed lateness and quarter-hour. */
const CLOSE_ALL_JUMP_MS = 40 * MINUTE_MS;

export interface RunResult {
  seed: number;
  /** null: nothing is wrong. */
  problem: string | null;
  trace: string[];
  events: number;
  readings: number;
  /** How much of what can go wrong did, for the reader to see that faults happen. */
  counts: Record<string, number>;
}

export class SimulationFailure extends Error {}

/** Runs a plan. With `traced` the result holds a line for each thing that happened. */
export async function runPlan(plan: Plan, traced = false): Promise<RunResult> {
  const world = new World(plan, traced);
  let problem: string | null = null;
  try {
    await world.run();
  } catch (error) {
    problem = error instanceof SimulationFailure ? error.message : `an error nobody expected: ${error instanceof Error ? error.stack : String(error)}`;
  }
  problem ??= world.problem;
  world.end();
  return { seed: plan.seed, problem, trace: world.lines, events: world.time.events, readings: world.planned.size, counts: world.counts };
}

export class World implements WatchedWorld {
  readonly plan: Plan;
  readonly options: WorldOptions;
  readonly time: SimTime;
  readonly clients: Clients;
  readonly oracle: LogOracle;
  readonly planned = new Map<number, PlannedReading>();
  readonly lines: string[] = [];
  readonly state: ShardStateConfig;
  readonly retention: RetentionOptions;
  /** null in a run without an outbox. */
  readonly effects: EffectWatch | null;
  readonly counts: Record<string, number> = {};
  disks: SimDisk[];
  engine: EngineProcess | null = null;
  /** The first thing that was wrong. */
  problem: string | null = null;
  /** Shards were spread anew at least once: the logs of before do not fold into the shards of now. */
  hasResized = false;
  private readonly watches: readonly Watch[];
  private readonly random: Random;
  private readonly traced: boolean;
  private slow: { commits: number; ms: number }[] = [];
  private booting: Promise<void> = Promise.resolve();

  constructor(plan: Plan, traced: boolean) {
    this.plan = plan;
    this.options = { ...plan.options };
    this.traced = traced;
    this.random = new Random(plan.seed + 0x5eed);
    this.effects = outboxOf(plan.seed) === undefined ? null : new EffectWatch(new Random(plan.seed + 0xeffec7));
    this.watches = [new UnwrittenWatch(), new RevisionWatch(), new EnergyWatch(), ...(this.effects === null ? [] : [this.effects])];
    this.time = new SimTime(new VirtualTime(SIM_START_MS), this.random.fork());
    for (const step of plan.steps) if (step.kind === 'send') for (const { elements } of step.requests) for (const element of elements) if (!('spoiled' in element)) this.planned.set(element.seq, element);
    const { partitionCount, latenessMs, correctionHorizonMs } = plan.options;
    // Readings reach back hours, so with the short horizon there is something to take away.
    this.retention = { keepMs: correctionHorizonMs > DAY_MS ? [Infinity, Infinity] : [correctionHorizonMs, correctionHorizonMs + (plan.seed % 2) * 20 * MINUTE_MS] };
    this.state = { partitionCount, latenessMs, correctionHorizonMs, metersMax: 10_000, regionsMax: 100, readingIdBuckets: 1_024, detection: SIM_DETECTION };
    this.oracle = new LogOracle({ horizonMs: correctionHorizonMs, keepMs: Math.min(...this.retention.keepMs), partitionCount, planned: this.planned }, (problem) => this.fail(problem));
    this.clients = new Clients({ time: this.time, deliveryMsMax: this.options.deliveryMsMax, engine: () => this.engine, fail: (problem) => this.fail(problem), trace: (line) => this.trace(line) });
    this.disks = this.makeDisks(this.options.shards, []);
  }

  /** Notes what is wrong; the run ends at the next step. */
  fail(problem: string): void {
    this.problem ??= problem;
    this.trace(`WRONG: ${problem}`);
  }

  trace(line: string): void {
    if (this.traced) this.lines.push(`${String(this.time.clock.monotonic()).padStart(7)} ${line}`);
  }

  async run(): Promise<void> {
    this.boot();
    await this.until(() => this.isUp, START_MS_MAX, 'the engine did not start');
    for (const step of this.plan.steps) {
      this.trace(describeStep(step));
      await this.take(step);
      checkStep(this);
      if (this.engine?.alive) for (const watch of this.watches) watch.look(this);
      this.throwProblem();
    }
    await this.heal();
    await checkEnd(this);
    this.effects?.end(this);
    this.throwProblem();
  }

  /** Everything stands still for good. */
  end(): void {
    if (this.engine?.alive) this.engine.kill('lost');
  }

  async advance(ms: number): Promise<void> {
    await this.time.advance(ms);
    this.throwProblem();
  }

  async until(condition: () => boolean, limitMs: number, problem: string): Promise<void> {
    const endMs = this.time.clock.monotonic() + limitMs;
    while (!condition()) {
      if (this.time.clock.monotonic() >= endMs) {
        this.fail(`${problem} within ${limitMs} ms`);
        this.throwProblem();
      }
      await this.advance(20);
    }
  }

  get isUp(): boolean {
    return this.engine !== null && this.engine.alive && this.isBooted && this.engine.isWhole;
  }

  private throwProblem(): void {
    if (this.problem !== null) throw new SimulationFailure(this.problem);
  }

  private async take(step: Step): Promise<void> {
    this.counts[step.kind] = (this.counts[step.kind] ?? 0) + 1;
    switch (step.kind) {
      case 'send':
        for (const request of step.requests) this.clients.send(request);
        return;
      case 'wait':
        return this.advance(step.ms);
      case 'crash':
        return this.setFuse(step, () => this.crash(step));
      case 'restart':
        return this.restart(step.shards, step.ingestThreads, step.dieAtCommit);
      case 'killShard':
        return this.setFuse(step, (trimmed) => this.engine?.killShard(trimmed ?? step.shard % this.options.shards, step.underWay, step.isAbrupt));
      case 'killIngest':
        this.time.setFuse(step.afterEvents, () => this.engine?.killIngest(step.ingest % this.options.ingestThreads));
        return;
      case 'killRegion':
        this.engine?.killRegion();
        return;
      case 'diskFull':
        this.disks[step.shard % this.disks.length].failNext('storage_full', step.commits);
        return;
      case 'diskBroken':
        this.disks[step.shard % this.disks.length].failNext('storage_failed', 1);
        return;
      case 'diskSlow':
        this.slow[step.shard % this.disks.length] = { commits: step.commits, ms: step.ms };
        return;
      case 'clock':
        this.time.jump(step.byMs);
        return;
      case 'loseAnswers':
        this.clients.answersToLose += step.answers;
    }
  }

  // Processes --------------------------------------------------------------------------------------------------------------

  private isBooted = false;
  /** Waits for the next time that a log is trimmed. */
  private onTrimmed: ((shard: number) => void) | null = null;

  /** Starts a process; what it does not reach when it dies first is nobody's business. */
  private boot(): void {
    this.isBooted = false;
    const engine: EngineProcess = new EngineProcess({ ...this.options }, {
      time: this.time,
      disks: this.disks,
      state: this.state,
      outbox: outboxOf(this.plan.seed),
      retention: this.retention,
      trace: (line) => this.trace(line),
      onAppendReply: (shard, buffer, reply) => {
        if (engine.alive) this.oracle.onAppendReply(shard, buffer, reply);
      },
      onShardFailure: (error) => {
        if (error instanceof OperationalError && error.code === 'storage_failed') return;
        this.fail(`a shard crashed by itself: ${error instanceof Error ? error.stack : String(error)}`);
      },
      onReport: () => {},
      onEscalate: () => {
        this.trace('a supervisor gave up: the process ends');
        engine.kill('lost');
        this.time.after(RESTART_AFTER_ESCALATION_MS, () => this.bootAnew(engine));
      },
    });
    this.engine = engine;
    this.trace(`a process starts with ${this.options.shards} shards and ${this.options.ingestThreads} ingest threads`);
    void engine.start().then(
      () => {
        if (this.engine === engine) this.isBooted = true;
      },
      (error: unknown) => {
        if (engine.alive) this.trace(`the start was given up: ${String(error)}`);
      },
    );
  }

  private bootAnew(dead: EngineProcess): void {
    if (this.engine === dead) this.boot();
  }

  private crash(step: Extract<Step, { kind: 'crash' }>): void {
    const { engine } = this;
    if (engine === null || !engine.alive) return;
    this.trace(`kill -9; commits under way are ${step.underWay}`);
    engine.kill(step.underWay);
    this.time.after(step.downMs, () => {
      if (this.engine !== engine) return;
      this.booting = this.bootWith(step.shards, step.ingestThreads, step.dieAtCommit);
    });
  }

  /** Something dies after so many events, or so soon after a log was trimmed: what it then lacks shows before anything more is written. */
  private setFuse({ atTrim, afterEvents }: { atTrim: boolean; afterEvents: number }, blow: (trimmed: number | null) => void): void {
    if (!atTrim) this.time.setFuse(afterEvents, () => blow(null));
    else this.onTrimmed = (shard) => this.time.setFuse(afterEvents % EVENTS_AFTER_TRIM, () => blow(shard));
  }

  private trimmed(shard: number): void {
    const { onTrimmed } = this;
    // With nothing left to write, nothing can be lacking.
    if (!this.engine?.shards.get(shard)?.actor.figures().dirtyPages) return;
    this.onTrimmed = null;
    onTrimmed?.(shard);
  }

  private async restart(shards: number, ingestThreads: number, dieAtCommit: number): Promise<void> {
    // A stop of what is not up yet, or dies while it stops, is for the supervisor's own tests.
    this.time.blowFuse();
    await this.until(() => this.isUp, START_MS_MAX, 'the engine did not come back');
    const { engine } = this;
    this.trace('the process stops');
    let stopped = false;
    void engine!.stop().then(() => {
      stopped = true;
    });
    await this.until(() => stopped || this.engine !== engine, START_MS_MAX, 'the engine did not stop');
    // A shard that was on its way down by a failing disk may have let the supervisor give up.
    if (this.engine !== engine) return;
    for (const disk of this.disks) disk.crash('lost');
    this.booting = this.bootWith(shards, ingestThreads, dieAtCommit);
    await this.until(() => this.isBooted, START_MS_MAX, 'the engine did not start again');
  }

  private async bootWith(shards: number, ingestThreads: number, dieAtCommit: number): Promise<void> {
    this.options.ingestThreads = ingestThreads;
    try {
      if (shards !== this.options.shards) await this.resize(shards, dieAtCommit);
    } catch (error) {
      this.fail(`shards could not be spread anew: ${error instanceof Error ? error.stack : String(error)}`);
      return;
    }
    this.boot();
  }

  /** Spreads the partitions over another number of shards; first the process may die at one of the commits. */
  private async resize(to: number, dieAtCommit: number): Promise<void> {
    const from = this.options.shards;
    this.trace(`${from} shards become ${to}`);
    this.counts.resize = (this.counts.resize ?? 0) + 1;
    let old = this.disks.map((disk) => disk.content());
    for (const last of dieAtCommit >= 0 ? [dieAtCommit, Infinity] : [Infinity]) {
      let commits = 0;
      const takeCommit = async (): Promise<void> => {
        if (++commits > last) throw new SimulationFailure('the process died');
      };
      const disks = old.map((disk) => disk.crash('lost', 'lost', { takeCommit }));
      const made = Array.from({ length: to }, () => new MemoryDisk({ takeCommit }));
      const open = (disk: MemoryDisk): ShardStore => new ShardStore(disk.tables, openJournal(disk, this.options));
      try {
        await redistribute({ from, to, state: this.state, nextState: this.state }, { openOld: (shard) => open(disks[shard]), openNew: (shard) => open(made[shard]) });
        this.disks = this.makeDisks(to, made);
        this.options.shards = to;
        this.slow = [];
        this.hasResized = true;
        this.oracle.onRedistributed();
        return;
      } catch (error) {
        if (!(error instanceof SimulationFailure)) throw error;
        this.trace('the process died while shards were spread anew');
        old = disks;
      }
    }
  }

  private makeDisks(count: number, content: readonly MemoryDisk[]): SimDisk[] {
    const { time } = this;
    return Array.from({ length: count }, (_, shard) => {
      const takeCommit = () =>
        new Promise<void>((resolve) => {
          const slow = this.slow[shard];
          const isSlow = slow !== undefined && slow.commits-- > 0;
          time.after(isSlow ? slow.ms : time.random.int(0, this.options.commitMsMax), resolve);
        });
      const fateOfTables = (): 'lost' | 'kept' => (time.random.chance(0.5) ? 'lost' : 'kept');
      return new SimDisk({ segmentBytesMax: this.options.segmentBytesMax, takeCommit, fateOfTables, onDurable: (entries) => this.oracle.onDurable(shard, count, entries), onTrimmed: () => this.trimmed(shard) }, content[shard] ?? null);
    });
  }

  // The end ----------------------------------------------------------------------------------------------------------------

  /** Faults stop; then everything must come right by itself. */
  private async heal(): Promise<void> {
    this.trace('faults stop');
    this.time.blowFuse();
    this.slow = [];
    this.onTrimmed = null;
    this.clients.answersToLose = 0;
    for (const disk of this.disks) disk.heal();
    await this.until(() => this.isUp && this.clients.unanswered === 0, DRAIN_MS_MAX, `${this.clients.unanswered} requests were not answered`);
    await this.booting;
    await this.advance(SETTLE_MS);
    await this.probe();
    // Windows of silent meters close by the clock; a second pass closes what late readings of the first pass's moment opened.
    for (let i = 0; i < 2; i++) {
      this.time.jump(CLOSE_ALL_JUMP_MS);
      await this.advance(3_000);
    }
  }

  /** New readings are acknowledged soon again. */
  private async probe(): Promise<void> {
    const meterIds = [...new Set([...this.planned.values()].map(({ meterId }) => meterId))];
    let seq = 1e6;
    const readings = meterIds.map((meterId) => {
      const reading: PlannedReading = { meterId, region: this.options.regions[0], timestamp: this.time.clock.now(), powerKw: 1.5, seq: seq++ };
      this.planned.set(reading.seq, reading);
      return reading;
    });
    if (readings.length === 0) return;
    const request = this.clients.send({ format: 'json', elements: readings, isTorn: false, isDoubled: false });
    await this.until(() => this.clients.unanswered === 0, PROBE_MS_MAX, 'a new reading was not acknowledged after faults had stopped');
    if (request.attempts > 1) this.fail('a new reading had to be sent twice after faults had stopped');
  }
}
