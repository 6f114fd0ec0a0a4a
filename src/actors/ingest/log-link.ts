import { OperationalError } from '../../runtime/errors.ts';
import type { Requester } from '../../runtime/request-channel.ts';
import type { Span } from '../../runtime/tracing.ts';
import type { AppendLogReply, AppendLogRequest } from '../kafka-log/protocol.ts';
import type { GatheredReadings } from './gathered-readings.ts';
import type { IngestStats } from './ingest-stats.ts';
import type { IngestRefusal } from './protocol.ts';
import { OVERLOADED } from './state.ts';

/** The asking end of the log's thread. Whoever connected it closes it. */
export type LogRequester = Pick<Requester<AppendLogRequest, AppendLogReply>, 'credits' | 'tryRequest' | 'onCredit'>;

export interface LogLinkOptions {
  /** Of the log. */
  topic: string;
  /** Milliseconds until an append that was sent and not answered fails its requests with 503. */
  appendDeadlineMs: number;
  /** Elements that go although an append is under way; fewer wait for its answer. */
  gatheredReadings: number;
}

/** Called once for each gathering that was put in. */
export interface LogOutcome {
  stored(gathered: GatheredReadings): void;
  failed(gathered: GatheredReadings, refusal: IngestRefusal): void;
}

/** A gathering that is laid out. */
interface LaidOut {
  gathered: GatheredReadings;
  request: ReturnType<GatheredReadings['messages']>;
  /** One of each request that is traced, until the log has its readings. */
  sends: readonly Span[];
}

/** A rebalance or a broker's restart takes seconds; asking again sooner only fills the log's thread. */
const RETRY_AFTER_BROKERS_SECONDS = 2;

export const LOG_DOWN: IngestRefusal = {
  status: 503,
  code: 'unavailable',
  message: 'Kafka did not confirm that these readings are in its log. Send the request again; readings that were counted are not counted twice.',
  retryAfterSeconds: RETRY_AFTER_BROKERS_SECONDS,
};

/**
 * Sends gatherings to the log's thread as its credits allow, oldest first. While one append is under way small ones would only make more messages and more requests of
 * the same readings, so what comes is gathered until the answer is here or it is worth sending by itself.
 */
export class LogLink {
  private readonly options: LogLinkOptions;
  private readonly outcome: LogOutcome;
  private readonly stats: IngestStats;
  private requester: LogRequester | null = null;
  /** Full, or open: the last one takes more until it is sent. */
  private readonly waiting: GatheredReadings[] = [];
  /** Laid out, but the log's thread has as many bytes in flight as it may. One at most. */
  private held: LaidOut | null = null;
  private underWay = 0;

  constructor(options: LogLinkOptions, modules: { outcome: LogOutcome; stats: IngestStats }) {
    this.options = options;
    this.outcome = modules.outcome;
    this.stats = modules.stats;
  }

  get isUp(): boolean {
    return this.requester !== null;
  }

  get queuedElements(): number {
    return this.waiting.reduce((sum, { elements }) => sum + elements, this.held?.gathered.elements ?? 0);
  }

  get queuedBytes(): number {
    return this.waiting.reduce((sum, { bytes }) => sum + bytes, this.held?.gathered.bytes ?? 0);
  }

  /** The one that takes more, perhaps without an element yet; undefined: put one. */
  get open(): GatheredReadings | undefined {
    return this.waiting.at(-1);
  }

  put(gathered: GatheredReadings): void {
    if (this.waiting.at(-1)?.elements === 0) this.waiting.pop();
    this.waiting.push(gathered);
  }

  /** Readings wait here until `down`; a requester for an earlier incarnation is replaced. */
  up(requester: LogRequester): void {
    this.requester = requester;
    requester.onCredit(() => {
      if (this.requester === requester) this.flush();
    });
    this.flush();
  }

  /** Fails what waits. What is in flight fails when its requester is closed. */
  down(): void {
    this.requester = null;
    const { held } = this;
    this.held = null;
    if (held !== null) {
      endAll(held.sends, LOG_DOWN.code);
      this.outcome.failed(held.gathered, LOG_DOWN);
    }
    for (const gathered of this.waiting.splice(0)) this.outcome.failed(gathered, LOG_DOWN);
  }

  flush(): void {
    const { requester } = this;
    while (requester !== null && requester.credits > 0 && this.isWorthSending) {
      this.held ??= this.layOut(this.waiting.shift()!);
      if (!this.send(requester, this.held)) return;
      this.held = null;
    }
  }

  private get isWorthSending(): boolean {
    if (this.held !== null) return true;
    const [oldest] = this.waiting;
    if (oldest === undefined || oldest.elements === 0) return false;
    return this.underWay === 0 || this.waiting.length > 1 || oldest.elements >= this.options.gatheredReadings;
  }

  /** Names and attributes as of https://opentelemetry.io/docs/specs/semconv/messaging/kafka/. */
  private layOut(gathered: GatheredReadings): LaidOut {
    const { topic } = this.options;
    const sends = gathered.traces.map(({ trace, count }) => {
      const attributes = { 'messaging.system': 'kafka', 'messaging.operation.name': 'send', 'messaging.operation.type': 'send', 'messaging.destination.name': topic, 'seg.readings': count };
      return trace.child(`send ${topic}`, { kind: 'producer', attributes });
    });
    return { gathered, request: gathered.messages(sends.map(({ traceparent }) => traceparent)), sends };
  }

  private send(requester: LogRequester, { gathered, request: { messages, buffer }, sends }: LaidOut): boolean {
    const bytes = buffer.byteLength;
    const reply = requester.tryRequest({ messages }, { deadlineMs: this.options.appendDeadlineMs, bytes, transfer: [buffer] });
    if (reply === null) return false;
    this.stats.batchSent(gathered.elements, bytes);
    this.underWay++;
    reply.then(
      () => {
        endAll(sends);
        this.settled();
        this.outcome.stored(gathered);
      },
      (error: unknown) => {
        endAll(sends, error instanceof OperationalError ? error.code : 'failed');
        this.settled();
        this.stats.batches.failed++;
        this.outcome.failed(gathered, refusalOfLogError(error));
      },
    );
    return true;
  }

  /** What waits goes before the senders of this one are answered. */
  private settled(): void {
    this.stats.batches.inFlight--;
    this.underWay--;
    this.flush();
  }
}

function endAll(spans: readonly Span[], error?: string): void {
  for (const span of spans) span.end({ error });
}

function refusalOfLogError(error: unknown): IngestRefusal {
  if (!(error instanceof OperationalError)) throw error;
  // The log's thread holds as much as it may, and said so before it took anything.
  return error.code === 'overloaded' || error.code === 'mailbox_full' ? OVERLOADED : LOG_DOWN;
}
