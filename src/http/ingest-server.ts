import type { HttpRequest } from 'uWebSockets.js';
import type { DeviceKeyTable, KnownKey } from '../actors/ingest/device-key-table.ts';
import type { BodyFormat, IngestPort, IngestRefusal, IngestSummary } from '../actors/ingest/protocol.ts';
import { BODY_BYTES_MAX } from '../model/reading.ts';
import type { Clock, Timers } from '../runtime/clock.ts';
import type { Tracing } from '../runtime/tracing.ts';
import { BODY_LIMITS_DEFAULT, BodyIntake, bodyTooLarge, OVERLOADED_BODIES } from './body-intake.ts';
import type { BodyIntakeStats, BodyLimits } from './body-intake.ts';
import { ContentInflater } from './content-inflation.ts';
import { DeviceKeyGate } from './device-key-gate.ts';
import type { Exchange, HeaderFields } from './exchange.ts';
import { HttpFront } from './http-front.ts';
import type { FaultyRequest, HttpFrontStats } from './http-front.ts';
import { codingOfContentEncoding, formatOfContentType } from './ingest-media-type.ts';

export const INGEST_LIMITS_DEFAULT: BodyLimits = { bodyBytesMax: BODY_BYTES_MAX, ...BODY_LIMITS_DEFAULT };

/**
 * After a body that was read for nothing, as queues were full, others are taken in only so far together: thirty usual batches, more than are decoded before the next comes. A thousand senders of an
 * overloaded engine would have 50 MB of it filled with bodies that are going to be refused.
 */
const PRESSED_BYTES_MAX = 4 * 1024 * 1024;
const PRESSED_MS = 1_000;

/** An answer repeats what was sent: whoever opens it in a browser sees text. */
const NO_SNIFFING: HeaderFields = [['x-content-type-options', 'nosniff']];

export interface IngestServerOptions {
  host: string;
  /** 0 for a free one. */
  port: number;
  /** False when several ingest threads of this process share the port. */
  exclusivePort: boolean;
  limits: BodyLimits;
  /** Starts the x-request-id of answers to requests without one. */
  requestIdPrefix: string;
}

export interface IngestServerModules {
  /** Takes the bodies; whoever passes it in drains and closes it after this server. */
  ingest: IngestPort;
  clock: Clock;
  timers: Timers;
  /** Who may send readings, and of what. Absent or null: whoever reaches the port may. */
  keys?: DeviceKeyTable | null;
  /** Absent or null: requests are not traced. */
  tracing?: Tracing | null;
  /** An error nobody expected; its client has had a 500. */
  onFault(error: unknown, request: FaultyRequest): void;
}

export interface IngestServerStats {
  http: HttpFrontStats;
  bodies: BodyIntakeStats;
}

export interface IngestServer {
  readonly port: number;
  stats(): IngestServerStats;
  /** Stops listening and lets requests in flight be answered for `timeLimitMs` at most. Resolves to the number cut off. */
  close(timeLimitMs: number): Promise<number>;
}

/**
 * Serves `POST /ingest` (DESIGN: Ingest). Rejects with OperationalError `port_in_use` when it cannot listen. HTTP pipelining is not
 * supported: uWebSockets closes a connection that sends a request before the one ahead of it was answered.
 */
export async function startIngestServer(options: IngestServerOptions, modules: IngestServerModules): Promise<IngestServer> {
  const { requestIdPrefix } = options;
  const front = new HttpFront({ name: 'ingest server', portSetting: 'SEG_INGEST_PORT', requestIdPrefix, onFault: modules.onFault }, modules);
  const intake = new BodyIntake(options.limits, modules);
  const route = new IngestRoute(intake, modules);
  front.route('/ingest', { POST: (exchange, head) => route.receive(exchange, head) });
  front.routeRest('Readings are sent with POST /ingest.');
  try {
    const port = await front.listen(options.host, options.port, options.exclusivePort);
    return {
      port,
      stats: () => ({ http: front.stats(), bodies: intake.stats() }),
      close: async (timeLimitMs) => {
        const cutOff = await front.close(timeLimitMs);
        intake.close();
        return cutOff;
      },
    };
  } catch (error) {
    intake.close();
    throw error;
  }
}

class IngestRoute {
  private readonly ingest: IngestPort;
  private readonly intake: BodyIntake;
  private readonly inflater: ContentInflater;
  private readonly clock: Clock;
  /** null: nobody needs a key. */
  private readonly gate: DeviceKeyGate | null;
  /** Monotonic: until when bodies are taken in sparingly. */
  private pressedUntilMs = 0;

  constructor(intake: BodyIntake, { ingest, clock, keys }: Pick<IngestServerModules, 'ingest' | 'clock' | 'keys'>) {
    this.ingest = ingest;
    this.intake = intake;
    this.clock = clock;
    this.gate = keys ? new DeviceKeyGate(keys) : null;
    this.inflater = new ContentInflater(intake);
  }

  receive(exchange: Exchange, head: HttpRequest): void {
    const key = this.gate === null ? null : this.gate.admit(exchange, head);
    if (this.gate !== null && key === null) return;
    const format = formatOfContentType(head.getHeader('content-type'));
    if (typeof format !== 'string') {
      exchange.problem(format, [['accept-post', 'application/json, application/x-ndjson, application/msgpack']]);
      return;
    }
    const coding = codingOfContentEncoding(head.getHeader('content-encoding'));
    if (typeof coding !== 'string') {
      exchange.problem(coding, [['accept-encoding', 'gzip, identity']]);
      return;
    }
    // Collecting and decoding what is refused anyway would take the time and memory of what is not.
    const refusal = this.ingest.refuseUnread();
    if (refusal !== null) {
      this.refuse(exchange, refusal);
      return;
    }
    if (this.isPressed() && this.intake.bufferedBytes > PRESSED_BYTES_MAX) {
      exchange.problem(OVERLOADED_BODIES);
      return;
    }
    this.intake.collectBody(exchange, head, (body) => {
      if (coding === 'gzip') this.inflate(exchange, format, body, key);
      else this.take(exchange, format, body, key);
    });
  }

  private inflate(exchange: Exchange, format: BodyFormat, body: Uint8Array, key: KnownKey | null): void {
    const started = this.inflater.tryInflate(body, (result) => {
      if (!exchange.isOpen) return;
      if (result === 'too_large') {
        exchange.problem(bodyTooLarge(this.intake.limits.bodyBytesMax));
      } else if (result === 'corrupt') {
        exchange.problem({ status: 400, code: 'invalid_gzip', detail: 'The body is not what Content-Encoding says: it is not whole, valid gzip.' });
      } else {
        this.takeInflated(exchange, format, result, key);
      }
    });
    if (!started) exchange.problem(OVERLOADED_BODIES);
  }

  /** Outside any handler of uWebSockets, so that an error must be answered here. */
  private takeInflated(exchange: Exchange, format: BodyFormat, body: Uint8Array, key: KnownKey | null): void {
    try {
      this.take(exchange, format, body, key);
    } catch (error) {
      exchange.fail(error);
    }
  }

  private take(exchange: Exchange, format: BodyFormat, body: Uint8Array, key: KnownKey | null): void {
    if (key !== null && !this.gate!.stillCounts(exchange, key)) return;
    const { trace } = exchange;
    if (trace !== null) trace.child('receive', { startMs: trace.startMs, attributes: { 'http.request.body.size': body.byteLength } }).end();
    const answer = (result: IngestSummary | IngestRefusal): void => {
      const acknowledging = trace === null ? null : trace.child('acknowledge');
      if ('status' in result) this.refuse(exchange, result);
      else exchange.reply(202, 'application/json', summaryDocument(result), NO_SNIFFING);
      acknowledging?.end();
    };
    this.ingest.ingest(body, format, answer, trace, key === null ? null : key.scope);
  }

  private refuse(exchange: Exchange, refusal: IngestRefusal): void {
    if (refusal.status === 429) this.pressedUntilMs = this.clock.monotonic() + PRESSED_MS;
    answerRefusal(exchange, refusal);
  }

  /** Asked of every request, and mostly without a look at the clock. */
  private isPressed(): boolean {
    if (this.pressedUntilMs === 0) return false;
    if (this.clock.monotonic() < this.pressedUntilMs) return true;
    this.pressedUntilMs = 0;
    return false;
  }
}

const ONE_ACCEPTED = '{"accepted":1,"duplicates":0,"rejected":0,"errors":[]}';

function summaryDocument(summary: IngestSummary): string {
  const { accepted, duplicates, rejected, errors } = summary;
  if (rejected > 0) return JSON.stringify({ accepted, duplicates, rejected, errors });
  if (accepted === 1 && duplicates === 0) return ONE_ACCEPTED;
  return `{"accepted":${accepted},"duplicates":${duplicates},"rejected":0,"errors":[]}`;
}

function answerRefusal(exchange: Exchange, refusal: IngestRefusal): void {
  const { status, code, message } = refusal;
  exchange.problem({
    status,
    code,
    detail: message,
    retryAfterSeconds: 'retryAfterSeconds' in refusal ? refusal.retryAfterSeconds : undefined,
    extras: 'offset' in refusal && refusal.offset !== undefined ? { offset: refusal.offset } : undefined,
  });
}
