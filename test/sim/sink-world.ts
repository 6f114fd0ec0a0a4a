import type { EffectBatch, EffectSource } from '../../src/actors/sinks/protocol.ts';
import { SinkPump } from '../../src/actors/sinks/pump.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { Random } from './random.ts';
import { SimThread, SimTime } from './sim-thread.ts';
import type { SinkPlan, SinkStep } from './sink-plan.ts';
import { SimShards, type Piece } from './sink-shards.ts';
import { SimSystem, SimWriter } from './sink-system.ts';

/**
 * One run of the real pump between simulated shards and a simulated writer. While it runs: nothing is acknowledged that is not written, nothing is left out or
 * written twice at a time, nothing older over something newer, two batches a shard in memory at most. In the end, with all faults over: everything is there.
 */

export interface SinkRunResult {
  seed: number;
  /** The first thing that was wrong; null when all went well. */
  problem: string | null;
  /** How often each step was taken. */
  counts: Record<string, number>;
  events: number;
  trace: string[];
}

/** From the end of the last fault until all is written: the wait after an error that will not pass (60 s), the longest back-off twice (60 s), and the work itself. */
const CONVERGENCE_MS_MAX = 180_000;
const CONVERGENCE_LOOK_MS = 250;
const START_MS = Date.UTC(2026, 2, 1, 10, 0, 7);

export async function runSinkPlan(plan: SinkPlan, isTraced = false): Promise<SinkRunResult> {
  const world = new SinkWorld(plan, isTraced);
  await world.run();
  return { seed: plan.seed, problem: world.problem, counts: world.counts, events: world.time.events, trace: world.trace };
}

class SinkWorld {
  readonly time: SimTime;
  readonly counts: Record<string, number> = {};
  readonly trace: string[] = [];
  problem: string | null = null;
  private readonly plan: SinkPlan;
  private readonly isTraced: boolean;
  private readonly shards: SimShards;
  private readonly system: SimSystem;
  /** Shards that do not answer, with how many faults hold each. */
  private readonly shardsAway = new Map<number, number>();
  private process: SinkProcess | null = null;
  private epoch = 0;
  private writerFaults = 0;

  constructor(plan: SinkPlan, isTraced: boolean) {
    this.plan = plan;
    this.isTraced = isTraced;
    this.time = new SimTime(new VirtualTime(START_MS), new Random(plan.seed * 2 + 1));
    this.shards = new SimShards(plan.options.shards, plan.options.regions);
    this.system = new SimSystem(plan.options, this.shards, (problem) => this.fail(problem));
  }

  async run(): Promise<void> {
    this.start();
    for (const step of this.plan.steps) {
      if (this.problem !== null) break;
      this.counts[step.kind] = (this.counts[step.kind] ?? 0) + 1;
      this.say(() => JSON.stringify(step));
      await this.take(step);
    }
    if (this.problem === null) await this.converge();
    this.process?.die();
  }

  fail(problem: string): void {
    this.problem ??= `at ${this.time.clock.monotonic()} ms: ${problem}`;
    this.say(() => `PROBLEM ${problem}`);
  }

  say(line: () => string): void {
    if (this.isTraced) this.trace.push(`${this.time.clock.monotonic()} ${line()}`);
  }

  private start(): void {
    this.epoch++;
    const { plan, time, shards, system, shardsAway } = this;
    this.process = new SinkProcess(this.epoch, { plan, time, shards, system, isAway: (shard) => shardsAway.has(shard), fail: (problem) => this.fail(problem), say: (line) => this.say(line) });
  }

  private async take(step: SinkStep): Promise<void> {
    const { time, system } = this;
    switch (step.kind) {
      case 'change':
        for (const key of step.effects) this.shards.change(key);
        break;
      case 'wait':
        await time.advance(step.ms);
        break;
      case 'writerAway': {
        const fault = ++this.writerFaults;
        system.away = step.error;
        this.process?.writer.cut();
        time.after(step.ms, () => {
          if (fault === this.writerFaults) system.away = null;
        });
        break;
      }
      case 'loseAnswers':
        for (let i = 0; i < step.answers; i++) system.answersToLose.push({ isLate: step.isLate });
        break;
      case 'failWrites':
        for (let i = 0; i < step.writes; i++) system.writesToFail.push(step.error);
        break;
      case 'slowWrites':
        for (let i = 0; i < step.writes; i++) system.writesToSlow.push(step.ms);
        break;
      case 'shardAway':
        this.shardGoes(step.shard, step.ms);
        break;
      case 'kill':
        time.setFuse(step.afterEvents, () => this.kill(step));
        break;
      case 'stop':
        await this.stop(step);
        break;
      case 'clock':
        time.jump(step.byMs);
        break;
    }
  }

  private shardGoes(shard: number, ms: number): void {
    const { shardsAway } = this;
    shardsAway.set(shard, (shardsAway.get(shard) ?? 0) + 1);
    this.time.after(ms, () => {
      const faults = shardsAway.get(shard)! - 1;
      if (faults > 0) shardsAway.set(shard, faults);
      else shardsAway.delete(shard);
    });
  }

  private kill({ downMs, shards }: { downMs: number; shards: number }): void {
    if (this.process === null) return;
    this.say(() => 'the process is killed');
    this.process.die();
    this.comeBack(downMs, shards);
  }

  private async stop({ timeoutMs, downMs, shards }: { timeoutMs: number; downMs: number; shards: number }): Promise<void> {
    const stopping = this.process;
    if (stopping === null) return;
    let isStopped = false;
    void stopping.pump.stop(timeoutMs).then(() => (isStopped = true));
    await this.time.advance(timeoutMs);
    // A fuse may have blown meanwhile.
    if (this.process !== stopping) return;
    if (!isStopped) this.fail(`the pump does not stop within ${timeoutMs} ms`);
    stopping.die();
    this.comeBack(downMs, shards);
  }

  private comeBack(afterMs: number, shards: number): void {
    this.process = null;
    this.time.after(afterMs, () => {
      if (shards !== this.shards.outboxes.length) {
        this.counts.resize = (this.counts.resize ?? 0) + 1;
        this.shards.redistribute(shards);
      }
      this.start();
    });
  }

  private async converge(): Promise<void> {
    const { time, system } = this;
    time.blowFuse();
    this.writerFaults++;
    system.away = null;
    system.answersToLose = [];
    system.writesToFail = [];
    system.writesToSlow = [];
    this.shardsAway.clear();
    this.say(() => 'all faults are over');
    const untilMs = time.clock.monotonic() + CONVERGENCE_MS_MAX;
    while (this.process === null) await time.advance(CONVERGENCE_LOOK_MS);
    // An acknowledgement may have been lost on its way to a shard that was away; the one for this is not.
    this.shards.changeEach();
    let missing = this.missing();
    while (this.problem === null && missing !== null && time.clock.monotonic() < untilMs) {
      await time.advance(CONVERGENCE_LOOK_MS);
      missing = this.missing();
    }
    if (missing !== null) this.fail(`${CONVERGENCE_MS_MAX} ms after the last fault ${missing}`);
  }

  private missing(): string | null {
    const difference = this.system.difference();
    if (difference !== null) return difference;
    for (const [shard, { entries, forgottenBefore }] of this.shards.outboxes.entries()) {
      if (forgottenBefore !== entries.length) return `shard ${shard} still keeps ${forgottenBefore}…${entries.length}`;
    }
    const { state, lagMs } = this.process!.pump.figures();
    return state === 'running' && lagMs === 0 ? null : `the pump says that it is ${state} with a lag of ${lagMs} ms`;
  }
}

interface ProcessModules {
  plan: SinkPlan;
  time: SimTime;
  shards: SimShards;
  system: SimSystem;
  isAway(shard: number): boolean;
  fail(problem: string): void;
  say(line: () => string): void;
}

/** One life of the pump, from a start to a stop or a kill. */
class SinkProcess {
  readonly pump: SinkPump;
  readonly writer: SimWriter;
  private readonly modules: ProcessModules;
  private readonly thread: SimThread;
  private readonly reading = new Set<number>();
  /** Batches given out and, as far as the pump can know, not written; by shard, oldest first. */
  private readonly given: { position: string; piece: Piece }[][];

  constructor(epoch: number, modules: ProcessModules) {
    this.modules = modules;
    const { plan, time, shards, system, fail, say } = modules;
    const { sink, windowsPerBatch, idleMs, backoffMinMs, backoffMaxMs } = plan.options;
    const shardCount = shards.outboxes.length;
    this.given = shards.outboxes.map(() => []);
    this.thread = new SimThread('sink', epoch, time);
    this.writer = new SimWriter(sink, { time, system, shardCount, shards, fail, onSettled: (pieces) => this.settled(pieces) });
    const line = (level: string) => (_fields: object, message: string) => say(() => `${level}: ${message}`);
    const log: Log = { debug() {}, info: line('info'), warn: line('warn'), error: line('error'), child: () => log };
    const random = time.random.fork();
    this.pump = new SinkPump(
      { shards: shardCount, windowsPerBatch, idleMs, backoffMinMs, backoffMaxMs },
      {
        source: this.source(),
        writer: this.writer,
        clock: this.thread.clock,
        timers: this.thread.timers,
        random: () => random.next(),
        log,
        onFailure: (error) => fail(`the pump fails: ${error instanceof Error ? error.stack : String(error)}`),
      },
    );
    this.pump.start();
  }

  die(): void {
    this.thread.kill({ kind: 'terminated' }, true);
    this.writer.die();
  }

  private source(): EffectSource {
    const { shards } = this.modules;
    return {
      read: async (shard, _consumer, position, windowsMax) => {
        this.mayRead(shard, position);
        this.reading.add(shard);
        try {
          return await this.ask([shard], () => this.give(shard, position, windowsMax));
        } finally {
          this.reading.delete(shard);
        }
      },
      acknowledge: (shard, _consumer, position) => this.acknowledge(shard, position),
      regionWindows: (keys) => this.ask([...shards.outboxes.keys()], () => keys.map((key) => ({ ...shards.regionWindow(key), revision: null }))),
    };
  }

  /** A question to shards: takes effect some time on the way, and comes to nothing when the process is gone. */
  private async ask<T>(asked: number[], answer: () => T): Promise<T> {
    const { time, plan, isAway } = this.modules;
    const { readMsMax } = plan.options;
    await this.pass(time.random.int(0, readMsMax));
    if (asked.some(isAway)) {
      await this.pass(time.random.int(0, readMsMax));
      throw new OperationalError('unavailable', 'the shard is away', { retryable: true });
    }
    const result = answer();
    await this.pass(time.random.int(0, readMsMax));
    return result;
  }

  private mayRead(shard: number, position: string | null): void {
    const { fail } = this.modules;
    if (this.reading.has(shard)) fail(`shard ${shard} is read twice at a time`);
    const given = this.given[shard];
    if (given.length > 0 && given[given.length - 1].position !== position) given.length = 0;
    if (given.length > 1) fail(`a third batch of shard ${shard} is read`);
    const { batchesHeld } = this.pump.figures().shards[shard];
    if (batchesHeld > 2) fail(`shard ${shard} has ${batchesHeld} batches in memory`);
  }

  private give(shard: number, position: string | null, windowsMax: number): EffectBatch {
    const { shards, fail, say } = this.modules;
    try {
      const batch = shards.read(shard, position, windowsMax);
      const piece = shards.pieces.get(batch.windows)!;
      if (piece.to > piece.from) this.given[shard].push({ position: batch.position, piece });
      say(() => `shard ${shard} gives ${piece.from}…${piece.to}`);
      return batch;
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  private acknowledge(shard: number, position: string): void {
    const { time, plan, shards, system, isAway, fail, say } = this.modules;
    const { generation } = shards;
    const sequence = shards.sequenceOf(shard, position);
    if (sequence === null || sequence > system.covered(shard)) fail(`${position} of shard ${shard} is acknowledged and ${system.covered(shard)} is written`);
    say(() => `${position} of shard ${shard} is acknowledged`);
    time.after(time.random.int(0, plan.options.readMsMax), () => {
      if (isAway(shard) || shards.generation !== generation) return;
      const outbox = shards.outboxes[shard];
      outbox.forgottenBefore = Math.max(outbox.forgottenBefore, sequence!);
    });
  }

  private settled(pieces: Piece[] | null): void {
    const { system } = this.modules;
    const shards = pieces === null ? this.given.keys() : pieces.map(({ shard }) => shard);
    for (const shard of shards) this.given[shard] = this.given[shard].filter(({ piece }) => piece.to > system.covered(shard));
  }

  /** Never resolves once the process is gone. */
  private pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.thread.timers.after(ms, resolve));
  }
}
