import { readLogRecord, type LogRecord } from '../../src/actors/shard/log-record.ts';
import type { AppendReply } from '../../src/actors/shard/protocol.ts';
import { READING_ID_TTL_MS } from '../../src/actors/shard/reading-ids.ts';
import { partitionOf, shardOfPartition } from '../../src/model/ids.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import type { ReadingBatch } from '../../src/model/reading-batch.ts';
import { AcceptedReadings } from '../oracle/accepted-readings.ts';
import type { LogEntry } from './disk.ts';
import type { PlannedReading } from './planned-readings.ts';

/** One record of one shard's log, as it became durable. */
export interface LoggedRecord {
  shard: number;
  sequence: number;
  record: LogRecord;
}

/**
 * Knows what has to be counted: judges every reading in the order in which the disks took it, by what its client sent, and holds each answer
 * of a shard against that.
 */
export class LogOracle {
  readonly accepted: AcceptedReadings;
  /** Everything that became durable, in order. */
  readonly log: LoggedRecord[] = [];
  /** `meterId@timestamp` of what counts. */
  readonly keys = new Map<string, PlannedReading>();
  /** Same id as one that counts, under another timestamp. */
  readonly repeatedIds = new Set<number>();
  private readonly horizonMs: number;
  /** Windows that end longer than this before their meter's newest reading may be gone. */
  private readonly keepMs: number;
  private readonly partitionCount: number;
  private readonly planned: ReadonlyMap<number, PlannedReading>;
  private readonly fail: (problem: string) => void;
  private readonly outcomes = new Map<ArrayBufferLike, number[]>();
  /** Places of readings that are known and whose window may be gone: whether it is, and they are too late, is the checkpoints' business. */
  private readonly forgettable = new Map<ArrayBufferLike, Set<number>>();
  private readonly acknowledged = new Set<ArrayBufferLike>();
  /** Second of arrival by meter and readingId. */
  private readonly ids = new Map<string, number>();
  /** Largest sequence per shard, forgotten when the number of shards changes. */
  private readonly newest = new Map<number, number>();

  constructor(options: { horizonMs: number; keepMs: number; partitionCount: number; planned: ReadonlyMap<number, PlannedReading> }, fail: (problem: string) => void) {
    this.horizonMs = options.horizonMs;
    this.keepMs = options.keepMs;
    this.partitionCount = options.partitionCount;
    this.planned = options.planned;
    this.fail = fail;
    this.accepted = new AcceptedReadings(options.horizonMs);
  }

  onDurable(shard: number, shardCount: number, entries: readonly LogEntry[]): void {
    for (const { sequence, bytes } of entries) {
      if (sequence <= (this.newest.get(shard) ?? 0)) this.fail(`shard ${shard} wrote log record ${sequence} again`);
      this.newest.set(shard, sequence);
      const record = readLogRecord(bytes, sequence);
      this.log.push({ shard, sequence, record });
      if (record.kind !== 'batch') continue;
      const outcomes: number[] = [];
      const forgettable = new Set<number>();
      for (let i = 0; i < record.batch.count; i++) {
        const reading = this.sentReading(record.batch, i, shard, shardCount);
        if (this.isForgettable(reading)) forgettable.add(i);
        outcomes.push(this.judge(reading, record.nowMs));
      }
      this.outcomes.set(bytes.buffer, outcomes);
      this.forgettable.set(bytes.buffer, forgettable);
    }
  }

  /** The shards are others now: sequences begin anew. */
  onRedistributed(): void {
    this.newest.clear();
  }

  onAppendReply(shard: number, buffer: ArrayBuffer, reply: AppendReply): void {
    const judged = this.outcomes.get(buffer);
    if (judged === undefined) {
      this.fail(`shard ${shard} acknowledged a batch that is not on disk`);
      return;
    }
    if (this.acknowledged.has(buffer)) this.fail(`shard ${shard} acknowledged a batch twice`);
    this.acknowledged.add(buffer);
    const actual = reply.outcomes === null ? judged.map(() => OUTCOME.accepted) : [...reply.outcomes];
    const expected = judged.map((outcome, i) => (actual[i] === OUTCOME.tooLate && this.forgettable.get(buffer)!.has(i) ? OUTCOME.tooLate : outcome));
    if (String(actual) !== String(expected)) this.fail(`shard ${shard} answered outcomes ${actual.join()} where ${expected.join()} are right`);
    const accepted = expected.filter((outcome) => outcome === OUTCOME.accepted).length;
    const duplicates = expected.filter((outcome) => outcome === OUTCOME.duplicate).length;
    if (reply.accepted !== accepted || reply.duplicates !== duplicates) this.fail(`shard ${shard} counted ${reply.accepted}+${reply.duplicates} where ${accepted}+${duplicates} are right`);
  }

  /** The reading as its client sent it; what the log says of it must be the same. */
  private sentReading(batch: ReadingBatch, i: number, shard: number, shardCount: number): PlannedReading {
    const seq = batch.seq?.[i] ?? NaN;
    const sent = this.planned.get(seq);
    const at = batch.heapStart + batch.idStart[i];
    const meterId = Buffer.from(batch.bytes.buffer, batch.bytes.byteOffset + at, batch.idLength[i]).toString('latin1');
    if (sent === undefined) throw new Error(`the log of shard ${shard} holds a reading of ${meterId} that nobody sent`);
    const said = [meterId, batch.regions[batch.region[i]], batch.timestamp[i], batch.powerKw[i], batch.energyKwh?.[i] ?? NaN, batch.voltage?.[i] ?? NaN, (batch.flags[i] & 1) !== 0];
    const meant = [sent.meterId, sent.region, sent.timestamp, sent.powerKw, sent.energyKwh ?? NaN, sent.voltage ?? NaN, sent.status === 'ERROR'];
    if (!said.every((value, k) => Object.is(value, meant[k]))) this.fail(`the log of shard ${shard} says ${said.join()} where ${meant.join()} was sent`);
    if (shardOfPartition(partitionOf(meterId, this.partitionCount), shardCount) !== shard) this.fail(`shard ${shard} took a reading of ${meterId}, which is not its`);
    return sent;
  }

  private isForgettable({ meterId, timestamp }: PlannedReading): boolean {
    return this.keys.has(`${meterId}@${timestamp}`) && timestamp < this.accepted.newestOf(meterId) - this.keepMs;
  }

  private judge(reading: PlannedReading, nowMs: number): number {
    const { meterId, timestamp, readingId } = reading;
    const key = `${meterId}@${timestamp}`;
    const idKey = `${meterId} ${readingId}`;
    const second = Math.floor(nowMs / 1_000);
    const isTooLate = this.accepted.region.has(meterId) && timestamp < this.accepted.newestOf(meterId) - this.horizonMs;
    if (readingId !== undefined && !isTooLate && !this.keys.has(key) && second - (this.ids.get(idKey) ?? -Infinity) <= READING_ID_TTL_MS / 1_000) {
      this.repeatedIds.add(reading.seq);
      return OUTCOME.duplicate;
    }
    const outcome = this.accepted.judge(reading);
    if (outcome !== OUTCOME.accepted) return outcome;
    this.keys.set(key, reading);
    if (readingId !== undefined) this.ids.set(idKey, second);
    return outcome;
  }
}
