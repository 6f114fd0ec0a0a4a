import type { DecodedReading, ReadingSink } from '../../model/decoded-reading.ts';
import { partitionOfHash, shardOfPartition } from '../../model/ids.ts';
import { DEAD_LETTER_RAW_BYTES_MAX } from '../../model/reading-batch.ts';
import type { RejectCode } from '../../model/reading.ts';
import { BatchQueue } from './batch-queue.ts';
import type { QueueLimits } from './batch-queue.ts';
import type { IngestRefusal } from './protocol.ts';
import type { RequestTally } from './request-tally.ts';

/** Seconds a refused sender is asked to wait: queues drain in well under one, a shard restarts in about one. */
export const RETRY_AFTER_SECONDS = 1;
/** A full disk takes a person or a clean-up job; asking every second helps nobody. */
export const RETRY_AFTER_STORAGE_FULL_SECONDS = 10;

export const OVERLOADED: IngestRefusal = {
  status: 429,
  code: 'overloaded',
  message: 'More readings are waiting to be stored than the engine is configured to hold. Nothing of this request was taken; send it again.',
  retryAfterSeconds: RETRY_AFTER_SECONDS,
};

export const SHARD_DOWN: IngestRefusal = {
  status: 503,
  code: 'unavailable',
  message: 'The part of the engine that owns some of these meters is restarting. Send the request again; readings that were counted are not counted twice.',
  retryAfterSeconds: RETRY_AFTER_SECONDS,
};

/** The state of one shard as the ingest actor sees it. */
export interface ShardLane {
  readonly queue: BatchQueue;
  up: boolean;
}

/**
 * Routes the readings of one request after the other into the queues of the shards that own them. A request is taken whole or
 * not at all: `begin`, then the decoder's calls, then `commit` or `rollback`. Synchronous and pure.
 */
export class RequestRouter implements ReadingSink {
  readonly lanes: readonly ShardLane[];
  /** Why the request at hand cannot be taken, as soon as one of its readings met a shard that is down or full. */
  refusal: IngestRefusal | null = null;
  private readonly partitionCount: number;
  private tally: RequestTally | null = null;
  /** Shards the request at hand has put something into. */
  private readonly touched: number[] = [];
  private readonly isTouched: Uint8Array;

  constructor(options: { partitionCount: number; shardCount: number; limits: QueueLimits }) {
    this.partitionCount = options.partitionCount;
    this.lanes = Array.from({ length: options.shardCount }, () => ({ queue: new BatchQueue(options.limits), up: false }));
    this.isTouched = new Uint8Array(options.shardCount);
  }

  /** A refusal that every request would meet, so that decoding it would be a waste; null when some shard can take readings. */
  refusalOfAll(): IngestRefusal | null {
    let refusal = SHARD_DOWN;
    for (const lane of this.lanes) {
      if (!lane.up) continue;
      if (!lane.queue.isFull) return null;
      refusal = OVERLOADED;
    }
    return refusal;
  }

  begin(tally: RequestTally): void {
    this.tally = tally;
    this.refusal = null;
  }

  accept(index: number, reading: DecodedReading): void {
    if (this.refusal !== null) return;
    const shard = shardOfPartition(partitionOfHash(reading.meterHash, this.partitionCount), this.lanes.length);
    const queue = this.claim(shard);
    if (queue !== null) queue.appendReading(this.tally!, index, reading);
  }

  reject(index: number, code: RejectCode, message: string, body: Uint8Array, start: number, end: number): void {
    if (this.refusal !== null) return;
    this.tally!.addError(index, code, message);
    const queue = this.claim(this.deadLetterShard());
    if (queue === null) return;
    const cut = Math.min(end, start + DEAD_LETTER_RAW_BYTES_MAX);
    const raw = Buffer.from(body.buffer, body.byteOffset + start, cut - start).toString('utf8');
    queue.appendDeadLetter(this.tally!, { code, message, index, raw });
  }

  /** Leaves what the request put into the queues there. */
  commit(): void {
    this.forgetRequest();
  }

  /** Takes everything the request put into the queues out again. */
  rollback(): void {
    for (const shard of this.touched) this.lanes[shard].queue.rollback();
    this.forgetRequest();
  }

  private forgetRequest(): void {
    for (const shard of this.touched) this.isTouched[shard] = 0;
    this.touched.length = 0;
    this.tally = null;
  }

  /** The queue to append to, marked for a rollback; null and a refusal when the shard cannot take more. */
  private claim(shard: number): BatchQueue | null {
    const lane = this.lanes[shard];
    if (!lane.up || lane.queue.isFull) {
      this.refusal = lane.up ? OVERLOADED : SHARD_DOWN;
      return null;
    }
    if (this.isTouched[shard] === 0) {
      this.isTouched[shard] = 1;
      this.touched.push(shard);
      lane.queue.mark();
    }
    return lane.queue;
  }

  /** Any shard can keep a dead letter, as its meter is not known for sure; the first that is up, so that they lie together. */
  private deadLetterShard(): number {
    const up = this.lanes.findIndex((lane) => lane.up);
    return up === -1 ? 0 : up;
  }
}
