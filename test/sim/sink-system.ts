import type { SetAside, SinkBatch, SinkWriter, WriteReport } from '../../src/actors/sinks/protocol.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { WINDOWS_PER_METER, type EffectKey, type SinkWorldOptions } from './sink-plan.ts';
import type { Piece, SimShards } from './sink-shards.ts';
import type { SimTime } from './sim-thread.ts';

/** The system beside the engine and its adapter, with what can go wrong between the two. It watches what is written to it as it is written. */

export type WriterFault = 'unavailable' | 'denied' | 'bug';

const MINUTE_MS = 60_000;

/** What outlives the process: tables (or topics, as someone reads them to the end) and cursors. */
export class SimSystem {
  /** Newest version by effect; `region/minute` for regional windows. */
  readonly rows = new Map<EffectKey | `${string}/${number}`, number>();
  readonly setAside = new Map<EffectKey, number>();
  readonly cursors = new Map<number, string>();
  /** Everything before it in the shard's outbox of this generation is written, by `generation/shard`. */
  readonly coveredTo = new Map<string, number>();
  away: WriterFault | null = null;
  answersToLose: { isLate: boolean }[] = [];
  writesToFail: ('unavailable' | 'denied')[] = [];
  writesToSlow: number[] = [];
  readonly options: SinkWorldOptions;
  private readonly shards: SimShards;
  private readonly fail: (problem: string) => void;

  constructor(options: SinkWorldOptions, shards: SimShards, fail: (problem: string) => void) {
    this.options = options;
    this.shards = shards;
    this.fail = fail;
  }

  covered(shard: number): number {
    return this.coveredTo.get(`${this.shards.generation}/${shard}`) ?? 0;
  }

  commit(batch: SinkBatch): WriteReport {
    const piece = this.shards.pieces.get(batch.windows)!;
    const { shard, from, to } = piece;
    if (piece.generation !== this.shards.generation) this.fail(`a batch of an earlier generation is written: ${JSON.stringify(piece)}`);
    const covered = this.covered(shard);
    if (from > covered) this.fail(`shard ${shard}: ${from}…${to} is written and ${covered}…${from} is not`);
    if (this.options.sink === 'timescale') {
      const cursor = this.shards.sequenceOf(shard, this.cursors.get(shard) ?? null);
      if (cursor !== null && cursor !== from) this.fail(`shard ${shard}: ${from}…${to} is written and the cursor is at ${cursor}`);
      this.cursors.set(shard, batch.position);
    }
    this.coveredTo.set(`${piece.generation}/${shard}`, Math.max(covered, to));
    return this.apply(batch, () => true);
  }

  /** Where there are no transactions, a part of the batch may be there all the same. */
  commitPart(batch: SinkBatch, chance: () => boolean): void {
    if (this.options.sink === 'kafka') this.apply(batch, chance);
  }

  private apply(batch: SinkBatch, isDone: () => boolean): WriteReport {
    const setAside: SetAside[] = [];
    let written = 0;
    const put = (key: EffectKey | `${string}/${number}`, version: number): void => {
      if (!isDone()) return;
      written++;
      const before = this.rows.get(key) ?? 0;
      if (version < before) this.fail(`${key}: version ${version} is written over ${before}`);
      this.rows.set(key, version);
    };
    const windows = new Uint32Array(batch.windows);
    if (windows.length !== batch.windowCount * 2) this.fail(`${batch.windowCount} windows in ${windows.byteLength} bytes`);
    for (let i = 0; i < windows.length; i += 2) {
      const key: EffectKey = `window ${windows[i]}`;
      if (Math.floor(windows[i] / WINDOWS_PER_METER) !== this.options.poisonedMeter) put(key, windows[i + 1]);
      else {
        this.setAside.set(key, windows[i + 1]);
        setAside.push({ what: '1m window', reason: `${key} is refused` });
      }
    }
    for (const { region, windowStart, sumPowerKw } of batch.regionWindows) put(`${region}/${windowStart / MINUTE_MS}`, sumPowerKw);
    for (const { id, score } of batch.anomalies) put(id as EffectKey, score);
    for (const { id } of batch.deadLetters) put(id as EffectKey, 1);
    return { written, setAside };
  }

  /** What is not as it should be in the end; null when all is. */
  difference(): string | null {
    const { versions } = this.shards;
    for (const [key, version] of versions) {
      const isPoisoned = key.startsWith('window') && Math.floor(Number(key.split(' ')[1]) / WINDOWS_PER_METER) === this.options.poisonedMeter;
      const there = isPoisoned ? this.setAside.get(key) : this.rows.get(key);
      if (there !== version) return `${key} is ${there} and should be ${version}`;
    }
    for (const [key, version] of this.shards.regionVersions()) {
      const there = this.rows.get(key as `${string}/${number}`);
      if (there !== version) return `${key} is ${there} and should be ${version}`;
    }
    return null;
  }
}

interface WriteUnderWay {
  batch: SinkBatch;
  /** null while it is neither committed nor given up. */
  outcome: 'committed' | 'failed' | null;
  report: WriteReport;
}

interface WriterModules {
  time: SimTime;
  system: SimSystem;
  shardCount: number;
  fail(problem: string): void;
  /** After a batch is written, or the writer is open and its cursors are read. */
  onSettled(pieces: Piece[] | null): void;
  shards: SimShards;
}

/** The adapter in one process. */
export class SimWriter implements SinkWriter {
  readonly name: SinkWriter['name'];
  private readonly modules: WriterModules;
  private readonly underWay = new Map<number, WriteUnderWay>();
  /** Writes that the pump was told have failed and that may still be committed, until the writer is open again. */
  private late: SinkBatch[] = [];
  private state: 'closed' | 'opening' | 'open' | 'lost' = 'closed';
  private isAlive = true;

  constructor(name: SinkWriter['name'], modules: WriterModules) {
    this.name = name;
    this.modules = modules;
  }

  async open(): Promise<(shard: number) => string | null> {
    const { time, system, fail } = this.modules;
    if (this.underWay.size > 0) fail('the writer is opened while it writes');
    if (this.state === 'opening') fail('the writer is opened twice at a time');
    this.state = 'opening';
    await this.pass(time.random.int(0, 20));
    if (system.away !== null) {
      this.state = 'closed';
      throw errorOf(system.away);
    }
    for (const batch of this.late.splice(0)) if (time.random.chance(0.7)) system.commit(batch);
    this.state = 'open';
    const cursors = new Map(system.cursors);
    this.modules.onSettled(null);
    return (shard) => cursors.get(shard) ?? null;
  }

  async write(batch: SinkBatch): Promise<WriteReport> {
    const { time, system, fail } = this.modules;
    const { shard } = batch;
    if (this.state === 'closed' || this.state === 'opening') fail(`shard ${shard} is written while the writer is ${this.state}`);
    if (this.underWay.has(shard)) fail(`shard ${shard} is written twice at a time`);
    const write: WriteUnderWay = { batch, outcome: null, report: { written: 0, setAside: [] } };
    this.underWay.set(shard, write);
    if (this.underWay.size > this.modules.shardCount) fail(`${this.underWay.size} writes at a time`);
    const error = await this.attempt(write, system.writesToSlow.pop() ?? time.random.int(0, this.writeMsMax()));
    this.underWay.delete(shard);
    if (error !== null) {
      if (time.random.chance(0.5)) this.state = 'lost';
      throw error;
    }
    this.modules.onSettled([this.modules.shards.pieces.get(batch.windows)!]);
    return write.report;
  }

  async close(): Promise<void> {
    await this.pass(this.modules.time.random.int(0, 20));
    this.state = 'closed';
  }

  /** The other side goes away, or this one: what is under way is committed or not. */
  cut(): void {
    for (const write of this.underWay.values()) if (write.outcome === null) this.settle(write, this.modules.time.random.chance(0.5));
    if (this.state === 'open') this.state = 'lost';
  }

  /** The process is gone: nothing is answered any more. */
  die(): void {
    this.cut();
    for (const batch of this.late.splice(0)) if (this.modules.time.random.chance(0.5)) this.modules.system.commit(batch);
    this.isAlive = false;
  }

  private async attempt(write: WriteUnderWay, takesMs: number): Promise<Error | null> {
    const { time, system } = this.modules;
    const untilCommitMs = time.random.int(0, takesMs);
    await this.pass(untilCommitMs);
    const wasCut = write.outcome !== null;
    const loses = wasCut || this.state === 'lost' || system.away !== null ? undefined : system.answersToLose.pop();
    const failure = this.state === 'lost' ? 'unavailable' : (system.away ?? (wasCut || loses !== undefined ? 'unavailable' : (system.writesToFail.pop() ?? null)));
    if (loses?.isLate === true) {
      write.outcome = 'failed';
      this.late.push(write.batch);
    }
    if (write.outcome === null) this.settle(write, failure === null || loses !== undefined);
    await this.pass(takesMs - untilCommitMs);
    return failure === null ? null : errorOf(failure);
  }

  private settle(write: WriteUnderWay, isCommitted: boolean): void {
    const { time, system } = this.modules;
    write.outcome = isCommitted ? 'committed' : 'failed';
    if (isCommitted) write.report = system.commit(write.batch);
    else system.commitPart(write.batch, () => time.random.chance(0.5));
  }

  private writeMsMax(): number {
    return this.modules.time.random.pick([0, 1, 1]) * this.modules.system.options.writeMsMax;
  }

  /** Never resolves once the process is gone. */
  private pass(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.modules.time.after(ms, () => {
        if (this.isAlive) resolve();
      });
    });
  }
}

function errorOf(fault: WriterFault): Error {
  if (fault === 'unavailable') return new OperationalError('unavailable', 'the connection is gone', { retryable: true });
  return fault === 'denied' ? new OperationalError('denied', 'ask for the permission to write') : new TypeError('nobody planned for this');
}
