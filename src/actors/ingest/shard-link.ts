import { OperationalError } from '../../runtime/errors.ts';
import type { Requester } from '../../runtime/request-channel.ts';
import type { Span } from '../../runtime/tracing.ts';
import type { AppendReply, AppendRequest } from '../shard/protocol.ts';
import type { BatchManifest } from './batch-manifest.ts';
import type { BatchQueue, SealedBatch } from './batch-queue.ts';
import type { IngestStats } from './ingest-stats.ts';
import type { IngestRefusal } from './protocol.ts';
import { RETRY_AFTER_SECONDS, RETRY_AFTER_STORAGE_FULL_SECONDS, SHARD_DOWN } from './state.ts';
import type { ShardLane } from './state.ts';

/** The asking end of a shard's data plane. Whoever connected it closes it. */
export type ShardRequester = Pick<Requester<AppendRequest, AppendReply>, 'credits' | 'tryRequest' | 'onCredit'>;

export interface ShardLinkOptions {
  /** Milliseconds until a batch that was sent and not answered fails its requests with 503. */
  appendDeadlineMs: number;
  /** Readings that go although a batch is under way; fewer wait for its answer. */
  gatheredReadings: number;
}

/** What becomes of batches. Called once for each batch that was taken from the queue or abandoned in it. */
export interface BatchOutcome {
  stored(manifest: BatchManifest, reply: AppendReply): void;
  failed(manifest: BatchManifest, refusal: IngestRefusal): void;
}

/**
 * Sends what waits for one shard as its credits allow, and gathers meanwhile: while one batch is under way, small ones would only make more messages and
 * more commits of the same readings, so what comes grows into one batch until the answer is here or it is worth sending by itself.
 */
export class ShardLink {
  private readonly lane: ShardLane;
  private readonly queue: BatchQueue;
  private readonly options: ShardLinkOptions;
  private readonly outcome: BatchOutcome;
  private readonly stats: IngestStats;
  private requester: ShardRequester | null = null;
  /** Packed, but the shard has as many bytes in flight as it may. One at most. */
  private held: SealedBatch | null = null;
  /** Batches whose outcome is open. */
  private underWay = 0;

  constructor(lane: ShardLane, options: ShardLinkOptions, modules: { outcome: BatchOutcome; stats: IngestStats }) {
    this.lane = lane;
    this.queue = lane.queue;
    this.options = options;
    this.outcome = modules.outcome;
    this.stats = modules.stats;
  }

  /** Readings wait here until `down`; a requester for an earlier incarnation is replaced. */
  up(requester: ShardRequester): void {
    this.requester = requester;
    this.lane.up = true;
    requester.onCredit(() => {
      if (this.requester === requester) this.flush();
    });
    this.flush();
  }

  /** Fails what waits. What is in flight fails when its requester is closed. */
  down(): void {
    this.requester = null;
    this.lane.up = false;
    const { held } = this;
    this.held = null;
    if (held !== null) this.outcome.failed(held.manifest, SHARD_DOWN);
    for (const manifest of this.queue.abandon()) this.outcome.failed(manifest, SHARD_DOWN);
  }

  flush(): void {
    const { requester } = this;
    if (requester === null) return;
    while (requester.credits > 0 && this.isWorthSending) {
      const batch = this.held ?? this.queue.take();
      if (batch === null) return;
      this.held = null;
      if (!this.send(requester, batch)) {
        this.held = batch;
        return;
      }
    }
  }

  private get isWorthSending(): boolean {
    return this.underWay === 0 || this.held !== null || this.queue.queuedReadings >= this.options.gatheredReadings;
  }

  private send(requester: ShardRequester, batch: SealedBatch): boolean {
    const { buffer, bytes, manifest } = batch;
    const request: AppendRequest = { kind: 'append', buffer, bytes };
    const traced = manifest.traced();
    const span = traced === null ? null : appendSpan(traced.first, traced.parts.slice(1).map(({ traceparent }) => traceparent), manifest.readings);
    if (span !== null) request.trace = { traceparent: span.traceparent, parts: traced!.parts };
    const reply = requester.tryRequest(request, { deadlineMs: this.options.appendDeadlineMs, bytes, transfer: [buffer] });
    if (reply === null) return false;
    this.stats.batchSent(manifest.readings, bytes);
    this.underWay++;
    reply.then(
      (answer) => {
        span?.end();
        this.queue.recycle(answer.buffer);
        this.settled();
        this.outcome.stored(manifest, answer);
      },
      (error: unknown) => {
        span?.end({ error: error instanceof OperationalError ? error.code : 'failed' });
        this.settled();
        this.stats.batches.failed++;
        this.outcome.failed(manifest, refusalOfAppendError(error));
      },
    );
    return true;
  }

  /** The next batch goes before the senders of this one are answered: the shard works meanwhile. */
  private settled(): void {
    this.stats.batches.inFlight--;
    this.underWay--;
    this.flush();
  }
}

/** Of one batch, under the first of its requests that are traced and with links to the others. */
function appendSpan(first: Span, links: readonly string[], readings: number): Span {
  return first.child('append', { kind: 'client', links, attributes: { 'seg.readings': readings } });
}

function refusalOfAppendError(error: unknown): IngestRefusal {
  if (!(error instanceof OperationalError)) throw error;
  if (error.code === 'storage_full') {
    return {
      status: 503,
      code: 'storage_full',
      message: 'The disk that holds the data directory is full. Make room; then send the request again.',
      retryAfterSeconds: RETRY_AFTER_STORAGE_FULL_SECONDS,
    };
  }
  return {
    status: 503,
    code: 'unavailable',
    message: 'The part of the engine that owns some of these meters did not confirm that they are stored. Send the request again; readings that were counted are not counted twice.',
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  };
}
