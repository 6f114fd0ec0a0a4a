import type { DecodedReading } from '../../model/decoded-reading.ts';
import { ReadingBatchBuilder } from '../../model/reading-batch.ts';
import type { BatchMark, PackedBatch, RejectedReading } from '../../model/reading-batch.ts';
import { BatchManifest } from './batch-manifest.ts';
import type { RequestTally } from './request-tally.ts';

/**
 * Readings in one batch at most. Above the 50,000 of one request, so that a request for one shard is one batch; below the 65,535 regions
 * that a batch's dictionary can hold, so that no mix of readings overflows it.
 */
export const BATCH_READINGS_MAX = 65_000;
/** A batch with this many takes no further request: while many wait, a shard counts batch by batch, and other things have their turn in between. About 5 ms of its work. */
export const BATCH_READINGS_FULL = 4_000;
/** Bytes of one packed batch at most: a few milliseconds of journal writing, and what a credit stands for. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** Every column of a reading (reading-batch.ts), and the length byte of a region of its own. */
const READING_BYTES = 8 * 8 + 4 * 4 + 2 + 1 + 1 + 1;
/** Field names and numbers of a dead letter in MessagePack, apart from its texts. */
const DEAD_LETTER_BYTES = 64;
/**
 * Emptied builders kept for the next batch: growing 15 columns anew costs more than filling them. Full queues are so many batches; builders of larger ones, 0.4 MB and more,
 * are let go but for two.
 */
const SPARE_BUILDERS_MAX = 32;
const SPARE_LARGE_BUILDERS_MAX = 2;
const LARGE_BUILDER_READINGS = 4_096;

export interface QueueLimits {
  /** Readings and dead letters that may wait for one shard. */
  queuedReadingsMax: number;
  /** Bytes, as packed, that may wait for one shard. */
  queuedBytesMax: number;
}

/** Buffers that came back are kept for the next batches: as many as are under way, up to a size that batches of usual requests have. */
const SPARE_BUFFERS_MAX = 8;
const SPARE_BUFFER_BYTES_MAX = 1024 * 1024;
/** Buffers have this many bytes times a power of two, so that the next batch fits where the last one was. */
const BUFFER_BYTES_MIN = 16 * 1024;

/** A batch on its way: `buffer` is owned by whoever took it, to be transferred. */
export interface SealedBatch extends PackedBatch {
  manifest: BatchManifest;
}

interface OpenBatch {
  builder: ReadingBatchBuilder;
  manifest: BatchManifest;
  /** Upper bound of what the builder packs to, without its header. */
  bytes: number;
  deadLetters: number;
}

/** Where a queue stood before the request at hand. */
interface QueueMark {
  batches: number;
  builder: BatchMark;
  parts: number;
  bytes: number;
  deadLetters: number;
  queuedReadings: number;
  queuedBytes: number;
}

/**
 * The readings that wait for one shard, in batches, oldest first; the last one is open. Requests share a batch until it is taken.
 * Synchronous and pure: it knows neither the shard nor the time.
 */
export class BatchQueue {
  /** Readings and dead letters. */
  queuedReadings = 0;
  queuedBytes = 0;
  private readonly limits: QueueLimits;
  private readonly batches: OpenBatch[] = [];
  private readonly spareBuilders: ReadingBatchBuilder[] = [];
  private readonly spareBuffers: ArrayBuffer[] = [];
  private markBefore: QueueMark | null = null;

  constructor(limits: QueueLimits) {
    this.limits = limits;
  }

  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  /** True when another reading would be refused. */
  get isFull(): boolean {
    return this.queuedReadings >= this.limits.queuedReadingsMax || this.queuedBytes >= this.limits.queuedBytesMax;
  }

  /** Remembers where the queue stands; `rollback` returns here, even over batches opened since. */
  mark(): void {
    const newest = this.batches.at(-1);
    const last = newest === undefined || newest.manifest.readings + newest.deadLetters >= BATCH_READINGS_FULL ? this.openBatch() : newest;
    this.markBefore = {
      batches: this.batches.length,
      builder: last.builder.mark(),
      parts: last.manifest.parts,
      bytes: last.bytes,
      deadLetters: last.deadLetters,
      queuedReadings: this.queuedReadings,
      queuedBytes: this.queuedBytes,
    };
  }

  /** Forgets everything appended since `mark`. */
  rollback(): void {
    const mark = this.markBefore!;
    while (this.batches.length > mark.batches) {
      const { builder, manifest } = this.batches.pop()!;
      manifest.truncate(0);
      builder.rollback(EMPTY_MARK);
      this.keepSpare(builder);
    }
    const last = this.batches[mark.batches - 1];
    last.builder.rollback(mark.builder);
    last.manifest.truncate(mark.parts);
    last.bytes = mark.bytes;
    last.deadLetters = mark.deadLetters;
    this.queuedReadings = mark.queuedReadings;
    this.queuedBytes = mark.queuedBytes;
    if (last.manifest.parts === 0) this.keepSpare(this.batches.pop()!.builder);
  }

  /** Copies the reading into the open batch, as `index` of the tally's request. The caller has looked at `isFull`. */
  appendReading(tally: RequestTally, index: number, reading: DecodedReading): void {
    const bytes = READING_BYTES + reading.meterIdLength + reading.regionLength;
    const batch = this.batchWithRoom(bytes);
    batch.manifest.openPart(tally);
    batch.manifest.addReading(index);
    batch.builder.append(reading);
    this.count(batch, bytes);
  }

  /** Puts a refused reading into the open batch. The caller has looked at `isFull`. */
  appendDeadLetter(tally: RequestTally, rejected: RejectedReading): void {
    const bytes = DEAD_LETTER_BYTES + Buffer.byteLength(rejected.raw) + Buffer.byteLength(rejected.message);
    const batch = this.batchWithRoom(bytes);
    batch.manifest.openPart(tally);
    batch.builder.appendRejected(rejected);
    batch.deadLetters++;
    this.count(batch, bytes);
  }

  /** Packs and removes the oldest batch; null when nothing waits. Not between `mark` and the end of its request. */
  take(): SealedBatch | null {
    const batch = this.batches.shift();
    if (batch === undefined) return null;
    this.queuedReadings -= batch.manifest.readings + batch.deadLetters;
    this.queuedBytes -= batch.bytes;
    const { buffer, bytes } = batch.builder.pack((length) => this.bufferOf(length));
    this.keepSpare(batch.builder);
    return { buffer, bytes, manifest: batch.manifest };
  }

  /** Takes back the buffer of a batch that was taken. */
  recycle(buffer: ArrayBuffer): void {
    if (buffer.byteLength <= SPARE_BUFFER_BYTES_MAX && this.spareBuffers.length < SPARE_BUFFERS_MAX) this.spareBuffers.push(buffer);
  }

  private bufferOf(bytes: number): ArrayBuffer {
    const spare = this.spareBuffers.pop();
    // One that is too small is let go: batches have grown.
    if (spare !== undefined && spare.byteLength >= bytes) return spare;
    let size = BUFFER_BYTES_MIN;
    while (size < bytes) size *= 2;
    return new ArrayBuffer(size <= SPARE_BUFFER_BYTES_MAX ? size : bytes);
  }

  /** Drops everything that waits and returns whose it was. */
  abandon(): BatchManifest[] {
    const manifests = this.batches.map((batch) => batch.manifest);
    this.batches.length = 0;
    this.queuedReadings = 0;
    this.queuedBytes = 0;
    return manifests;
  }

  private count(batch: OpenBatch, bytes: number): void {
    batch.bytes += bytes;
    this.queuedBytes += bytes;
    this.queuedReadings++;
  }

  private batchWithRoom(bytes: number): OpenBatch {
    const last = this.batches.at(-1);
    if (last === undefined) return this.openBatch();
    const entries = last.manifest.readings + last.deadLetters;
    return entries < BATCH_READINGS_MAX && last.bytes + bytes <= BATCH_BYTES_MAX ? last : this.openBatch();
  }

  private openBatch(): OpenBatch {
    const builder = this.spareBuilders.pop() ?? new ReadingBatchBuilder();
    const batch = { builder, manifest: new BatchManifest(), bytes: 0, deadLetters: 0 };
    this.batches.push(batch);
    return batch;
  }

  private keepSpare(builder: ReadingBatchBuilder): void {
    const isLarge = builder.capacity > LARGE_BUILDER_READINGS;
    const kept = isLarge ? this.spareBuilders.filter(({ capacity }) => capacity > LARGE_BUILDER_READINGS).length : this.spareBuilders.length;
    if (kept < (isLarge ? SPARE_LARGE_BUILDERS_MAX : SPARE_BUILDERS_MAX)) this.spareBuilders.push(builder);
  }
}

const EMPTY_MARK: BatchMark = { count: 0, heapLength: 0, regionCount: 0, deadLetters: 0, present: 0 };
