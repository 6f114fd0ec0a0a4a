import { QUARTER_MS } from '../../src/model/energy.ts';
import { LogLink, type LogAnswer, type LogQuestion, type Taken } from '../../src/actors/kafka-log/log-channel.ts';
import type { LogPiece } from '../../src/actors/kafka-log/kafka/log-reader.ts';
import { unpack } from 'msgpackr';
import { placeOfKey, stateKey } from '../../src/actors/kafka-log/changelog.ts';
import { packKeyValues, unpackKeyValues, type KeyValue } from '../../src/actors/kafka-log/key-values.ts';
import { packMessages } from '../../src/actors/kafka-log/message-block.ts';
import { LogMessageDecoder } from '../../src/actors/kafka-log/message-decoding.ts';
import { readTrace } from '../../src/actors/kafka-log/message-trace.ts';
import { PartitionHost, type PartitionHostOptions, type PartitionState } from '../../src/actors/kafka-log/partition-host.ts';
import type { PartitionActor } from '../../src/actors/kafka-log/partition-actor.ts';
import type { LogAppend, LogMessage } from '../../src/actors/kafka-log/protocol.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import type { BatchTrace } from '../../src/actors/shard/protocol.ts';
import { GRANULARITIES } from '../../src/model/window.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { CONSUMERS } from './shared-consumer.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import type { Tracing } from '../../src/runtime/tracing.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** One partition of a log and its state topic in memory, with Kafka's promises about both, and nodes that take it from each other. */

export const PARTITION = 0;
/** The brokers' clock is not the nodes'. */
const BROKER_AHEAD_MS = 3_000;
const PIECE_MESSAGES = 3;
const FAR_MS = 1e13;

interface Reading {
  offset: number;
  resolve(piece: LogPiece): void;
  reject(error: unknown): void;
}

let lives = 0;

/** The topics of one partition. */
export class LogWorld {
  readonly time: VirtualTime;
  readonly messages: LogMessage[] = [];
  /** Of those that were appended with one, by offset. */
  private readonly traces = new Map<number, BatchTrace>();
  /** Offsets before it are gone. */
  begin = 0;
  state: KeyValue[] = [];
  /** Who may add to the state: one token at a time. */
  holder: object | null = null;
  /** Commits to come whose answer is lost although they are in the topic. */
  answersToLose = 0;
  /** Commits to come that the brokers give up: nothing of them is in the topic. */
  commitsToAbort = 0;
  /** How long a question to the brokers and a commit to a disk take, ms. 0: they take turns of the event loop alone. */
  delayMs = 0;
  /** What a read of the log gives at most. */
  pieceMessages = PIECE_MESSAGES;
  noted: number | null = null;
  readonly readings = new Set<Reading>();

  constructor(startMs: number) {
    this.time = new VirtualTime(startMs);
  }

  append({ partition, key, value, kind, contentType, judgedAtMs, traceHeaders }: LogAppend): void {
    if (traceHeaders !== undefined) this.traces.set(this.messages.length, readTrace(traceHeaders.traceparent, traceHeaders['seg-traces'] ?? null)!);
    this.messages.push({ partition, key, value: new Uint8Array(value), kind, contentType, judgedAtMs, offset: this.messages.length, timestampMs: this.time.now() + BROKER_AHEAD_MS });
    for (const reading of [...this.readings]) {
      this.readings.delete(reading);
      reading.resolve(this.piece(reading.offset));
    }
  }

  /** The network or a disk does something. */
  work(): Promise<void> {
    return this.delayMs === 0 ? turn() : new Promise((resolve) => void this.time.after(this.delayMs, resolve));
  }

  /** The topic's retention: what the state stands for goes. */
  trim(): void {
    const found = this.newest<{ from: number }>('log');
    if (found !== null) this.begin = Math.max(this.begin, found.from - 1);
  }

  /** What the state topic says of itself under a name. */
  newest<Value>(name: string): Value | null {
    const key = stateKey('meta', Buffer.from(name));
    const found = this.state.findLast((change) => key.equals(change.key));
    return found?.value == null ? null : (unpack(found.value) as Value);
  }

  produce(value: string, traceHeaders?: Readonly<Record<string, string>>): void {
    this.append({ partition: PARTITION, key: null, value: Buffer.from(value), kind: 'reading', contentType: 'json', judgedAtMs: null, traceHeaders });
  }

  piece(offset: number): LogPiece {
    const messages = this.messages.slice(offset, offset + this.pieceMessages);
    return { block: packMessages(PARTITION, messages), next: offset + messages.length, end: this.messages.length, traces: this.traces };
  }

  /** Time goes on, and all that is due is done. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    await this.time.advanceSettled(ms);
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

export interface NodeOptions {
  latenessMs: number;
  /** Between checkpoint steps; STEP_MS when absent. */
  stepMs?: number;
  /** Log that is read again for readingIds alone; REPLAY_KEEP_BYTES when absent. */
  replayKeepBytesMax?: number;
  tracing?: Tracing;
  /** Without it the node's own clock and pictures do not get into the log. */
  mayAppend?: boolean;
}

/** A node that may have the partition. */
export class LogNode {
  /** What it has on its disk. */
  disk: MemoryStore;
  state: PartitionState | null = null;
  readonly refusals: string[] = [];
  private readonly world: LogWorld;
  private options: NodeOptions;
  private readonly isOwner: () => boolean;
  private host: PartitionHost;
  private life: { isOver: boolean };

  /** `isOwner`: what the group says of this node now. */
  constructor(world: LogWorld, options: NodeOptions, isOwner: () => boolean) {
    this.world = world;
    this.options = options;
    this.isOwner = isOwner;
    this.disk = this.emptyDisk();
    this.life = { isOver: false };
    this.host = this.makeHost(this.life);
  }

  get actor(): PartitionActor | null {
    return this.host.actorOf(PARTITION);
  }

  /** The group tells it what it has. */
  hear(): void {
    this.host.own(this.isOwner() ? [PARTITION] : []);
  }

  /** The process dies, and starts again knowing nothing but what is on its disk. */
  crash(disk: 'lost' | 'kept' | 'wiped'): void {
    this.life.isOver = true;
    this.disk = disk === 'wiped' ? this.emptyDisk() : this.disk.crash(disk);
    this.life = { isOver: false };
    this.state = null;
    this.host = this.makeHost(this.life);
  }

  /** As after a crash, with other settings. */
  restart(options: NodeOptions): void {
    this.options = options;
    this.crash('kept');
    this.hear();
  }

  /** Its clock and pictures get into the log no more: what is in it by now is all. */
  stopAppending(): void {
    this.options = { ...this.options, mayAppend: false };
  }

  /** It dies at its next commit to its disk but so many. */
  dieAtCommit(commits: number, disk: 'lost' | 'kept' | 'wiped'): void {
    this.deathAtCommit = { commits, disk };
  }

  private deathAtCommit: { commits: number; disk: 'lost' | 'kept' | 'wiped' } | null = null;

  private emptyDisk(): MemoryStore {
    return new MemoryStore({ takeCommit: () => this.takeCommit() });
  }

  private async takeCommit(): Promise<void> {
    await this.world.work();
    const death = this.deathAtCommit;
    if (death === null || death.commits-- > 0) return;
    this.deathAtCommit = null;
    this.crash(death.disk);
    this.hear();
  }

  private makeHost(life: { isOver: boolean }): PartitionHost {
    const { world } = this;
    const decoder = new LogMessageDecoder({ partitionCount: 1 });
    const link = new LogLink({ request: (question: LogQuestion) => (life.isOver ? NEVER : this.answer(question, life)) });
    return new PartitionHost(hostOptions(this.options), {
      log: nullLog,
      clock: world.time,
      timers: world.time,
      link: () => (life.isOver ? null : link),
      openLocal: () => this.disk,
      discardLocal: () => (this.disk = this.emptyDisk()),
      decode: (message) => decoder.decode(message),
      tracing: this.options.tracing,
      newLife: () => `l${++lives}`,
      onReport() {},
      onState: (_partition, state) => {
        if (life.isOver) return;
        this.state = state;
        if (state.state === 'ready' && this.actor!.position < this.endAtTake) this.refusals.push(`ready at ${this.actor!.position}, and the log had ended at ${this.endAtTake} when it was taken`);
        if (state.state === 'refused') this.refusals.push(`${state.code}: ${state.reason}`);
      },
    });
  }

  /** Where its producer stands: another object each time it takes the partition. */
  private token: object | null = null;
  private endAtTake = 0;
  /** The record that the state stood for then, and up to where the log has been read since. */
  private appliedAtTake = 0;
  private readTo = 0;

  private async answer(question: LogQuestion, life: { isOver: boolean }): Promise<LogAnswer> {
    const { world } = this;
    // Pages would be older than they say.
    if (question.kind === 'commitState' && this.readTo < this.appliedAtTake && unpackKeyValues(question.changes).some(({ key }) => placeOfKey(key).table === 'pages')) {
      this.refusals.push(`wrote pages when it had read the log up to ${this.readTo}, and the state stood for ${this.appliedAtTake}`);
    }
    // The network, both ways.
    await world.work();
    if (life.isOver) return NEVER;
    switch (question.kind) {
      case 'take':
        return this.take();
      case 'release':
        this.token = null;
        for (const reading of this.ownReadings) reading.reject(new OperationalError('released', 'released', { retryable: true }));
        this.ownReadings.clear();
        return null;
      case 'readLog':
        if (question.offset < world.begin) throw new OperationalError('kafka:OFFSET_OUT_OF_RANGE', 'out of range');
        this.readTo = Math.max(this.readTo, question.offset);
        if (question.offset < world.messages.length) {
          const piece = world.piece(question.offset);
          this.readTo = Math.max(this.readTo, piece.next);
          return piece;
        }
        return new Promise<LogPiece>((resolve, reject) => {
          const reading = { offset: question.offset, resolve: (piece: LogPiece) => (life.isOver ? undefined : resolve(piece)), reject };
          this.ownReadings.add(reading);
          world.readings.add(reading);
        });
      case 'append':
        if (this.options.mayAppend === false) throw new OperationalError('unavailable', 'may not', { retryable: true });
        world.append(question.message);
        return null;
      case 'readState': {
        const found = world.state.slice(question.offset, question.offset + 50);
        const next = question.offset + found.length;
        return { changes: packKeyValues(found), next, isEnd: next === world.state.length };
      }
      case 'commitState':
        return this.commit(unpackKeyValues(question.changes));
      case 'note':
        world.noted = question.offset;
        return null;
    }
  }

  private readonly ownReadings = new Set<Reading>();

  private take(): Taken {
    const { world } = this;
    if (!this.isOwner()) throw new OperationalError('released', 'somebody else has it', { retryable: true });
    world.holder = this.token = {};
    this.endAtTake = world.messages.length;
    this.appliedAtTake = world.newest<{ sequence: number }>('applied')?.sequence ?? 0;
    this.readTo = (world.newest<{ from: number }>('log')?.from ?? 1) - 1;
    return { stateEnd: world.state.length, log: { begin: world.begin, end: world.messages.length }, noted: world.noted };
  }

  private commit(changes: KeyValue[]): number {
    const { world } = this;
    if (this.token === null || world.holder !== this.token) throw new OperationalError('fenced', 'somebody else has it');
    if (world.commitsToAbort > 0) {
      world.commitsToAbort--;
      this.token = null;
      throw new OperationalError('fenced', 'the brokers gave it up');
    }
    world.state.push(...changes.map(({ key, value }) => ({ key: new Uint8Array(key), value: value === null ? null : new Uint8Array(value) })));
    if (world.answersToLose > 0) {
      world.answersToLose--;
      this.token = null;
      throw new OperationalError('fenced', 'nobody knows what became of it');
    }
    return world.state.length;
  }
}

/** Everything that can be asked of the partition. */
export function allAnswers(actor: PartitionActor, meters: readonly string[], regions: readonly string[]) {
  const range = { from: 0, to: FAR_MS, limit: 10_000 };
  const newestMs = Math.max(0, ...meters.map((meterId) => actor.ask<'meter'>({ kind: 'meter', meterId })?.newestTimestamp ?? 0));
  const energyFrom = Math.floor(newestMs / QUARTER_MS) - 96;
  return {
    meters: meters.map((meterId) => actor.ask<'meter'>({ kind: 'meter', meterId })),
    windows: meters.flatMap((meterId) => GRANULARITIES.map((granularity) => actor.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query: { ...range, granularity, cursor: null } }))),
    energy: meters.map((meterId) => actor.ask<'energyQuarters'>({ kind: 'energyQuarters', meterId, from: energyFrom, to: energyFrom + 2 * 96 })),
    regions: regions.flatMap((region) => GRANULARITIES.map((granularity) => actor.ask<'regionParts'>({ kind: 'regionParts', region, granularity, ...range, withOpen: true }))),
    anomalies: actor.ask<'anomalies'>({ kind: 'anomalies', query: { ...range, meterId: null, region: null, kind: null, severity: null, open: false, cursor: null } }),
    deadLetters: actor.ask<'deadLetters'>({ kind: 'deadLetters', query: { from: 0, to: FAR_MS, code: null, meterId: null, limit: 10_000, cursor: null } as never }),
  };
}

const STEP_MS = 1_000;
const REPLAY_KEEP_BYTES = 5_000;

function hostOptions({ latenessMs, stepMs = STEP_MS, replayKeepBytesMax = REPLAY_KEEP_BYTES }: NodeOptions): PartitionHostOptions {
  return {
    partitionCount: 1,
    topic: 'raw_readings',
    state: { partitionCount: 1, latenessMs, correctionHorizonMs: 86_400_000, metersMax: 1_000, regionsMax: 100, readingIdBuckets: 64, readingIdLogBytes: replayKeepBytesMax, detection: DEFAULT_DETECTION },
    checkpoint: { stepMs, intervalMs: 20_000, pagesPerStepMax: 1 },
    replayBytesMax: 1_000_000,
    replayKeepBytesMax,
    deadLettersMax: 1_000,
    anomaliesMax: 1_000,
    outbox: { consumers: CONSUMERS, bytesMax: 1_000_000 },
    removalsKeptMs: 86_400_000,
    lastStepMs: 1_000,
  };
}

const NEVER = new Promise<never>(() => {});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
