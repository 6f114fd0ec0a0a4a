import { Packr } from 'msgpackr';
import type { IngestRefusal, IngestSummary } from '../../src/actors/ingest/protocol.ts';
import type { EngineProcess } from './engine-process.ts';
import type { PlannedElement, PlannedRequest } from './planned-readings.ts';
import type { SimTime } from './sim-thread.ts';

/** Clients: each sends one body until it has a final answer, as DESIGN asks of senders. */

export type Answer = IngestSummary | IngestRefusal;

export interface ClientRequest {
  id: number;
  plan: PlannedRequest;
  attempts: number;
  /** null until 202, 400 or 413. */
  final: Answer | null;
  /** When the first attempt was made and when the final answer came, on the monotonic clock. */
  sentAtMs: number;
  finalAtMs: number;
}

/** After a network that lost the answer the client waits this long; the engine's own deadline is 10 s. */
const ANSWER_TIMEOUT_MS = 12_000;
const RETRY_MS_MAX = 800;

const packr = new Packr({ useRecords: false });

export interface ClientModules {
  time: SimTime;
  deliveryMsMax: number;
  /** The process that listens now, or null. */
  engine(): EngineProcess | null;
  fail(problem: string): void;
  trace(line: string): void;
}

export class Clients {
  readonly requests: ClientRequest[] = [];
  unanswered = 0;
  /** So many answers get lost on their way. */
  answersToLose = 0;
  readonly statuses = new Map<number, number>();
  private readonly modules: ClientModules;

  constructor(modules: ClientModules) {
    this.modules = modules;
  }

  send(plan: PlannedRequest): ClientRequest {
    const request: ClientRequest = { id: this.requests.length + 1, plan, attempts: 0, final: null, sentAtMs: this.modules.time.clock.monotonic(), finalAtMs: 0 };
    this.requests.push(request);
    this.unanswered++;
    const body = encode(plan);
    this.attempt(request, body);
    if (plan.isDoubled) this.attempt(request, body);
    return request;
  }

  private attempt(request: ClientRequest, body: Uint8Array): void {
    const { time, deliveryMsMax } = this.modules;
    request.attempts++;
    time.after(time.random.int(0, deliveryMsMax * 4), () => this.arrive(request, body));
  }

  private arrive(request: ClientRequest, body: Uint8Array): void {
    const { time } = this.modules;
    const engine = this.modules.engine();
    const ingests = engine === null || !engine.alive ? [] : [...engine.ingests.values()].filter(({ thread }) => thread.alive);
    if (ingests.length === 0) {
      this.again(request, body, time.random.int(50, RETRY_MS_MAX));
      return;
    }
    const { actor, thread } = time.random.pick(ingests);
    let answered = false;
    let gaveUp = false;
    const retry = (afterMs: number) => {
      gaveUp = true;
      this.again(request, body, afterMs);
    };
    // The connection breaks when the thread or the process dies.
    const watch = time.every(100, () => {
      if (engine!.alive && thread.alive) return;
      watch.cancel();
      timeout.cancel();
      if (!gaveUp) retry(time.random.int(0, RETRY_MS_MAX));
    });
    const timeout = time.after(ANSWER_TIMEOUT_MS, () => {
      watch.cancel();
      if (!gaveUp) retry(0);
    });
    actor.ingest(body, request.plan.format, (answer) => {
      if (!engine!.alive || !thread.alive) return;
      if (answered) this.modules.fail(`request ${request.id} was answered twice`);
      answered = true;
      const status = 'status' in answer ? answer.status : 202;
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      if (status !== 202) this.modules.trace(`request ${request.id} attempt ${request.attempts}: ${JSON.stringify(answer)}`);
      if (this.answersToLose > 0) {
        this.answersToLose--;
        return;
      }
      watch.cancel();
      timeout.cancel();
      // An answer that comes after its client gave up is as good as any.
      if (status !== 429 && status !== 503) {
        this.settle(request, answer);
        return;
      }
      if (gaveUp) return;
      if (!('retryAfterSeconds' in answer)) this.modules.fail(`request ${request.id} was refused with ${status} and no Retry-After`);
      retry(time.random.int(100, RETRY_MS_MAX));
    });
  }

  private again(request: ClientRequest, body: Uint8Array, afterMs: number): void {
    if (request.final !== null) return;
    this.modules.time.after(afterMs, () => {
      if (request.final === null) this.attempt(request, body);
    });
  }

  private settle(request: ClientRequest, answer: Answer): void {
    this.modules.trace(`request ${request.id}: ${'status' in answer ? `${answer.status} ${answer.code}` : `202 ${answer.accepted}+${answer.duplicates}-${answer.rejected}`}`);
    if (request.final !== null) return;
    request.final = answer;
    request.finalAtMs = this.modules.time.clock.monotonic();
    this.unanswered--;
  }
}

/** Elements as JSON texts: what a reading says, and nonsense as it stands. */
function textOf(element: PlannedElement): string {
  return 'spoiled' in element ? element.spoiled : JSON.stringify(element);
}

function encode({ format, elements, isTorn }: PlannedRequest): Uint8Array {
  let body: Uint8Array;
  if (format === 'msgpack') body = packr.pack(elements.map((element) => JSON.parse(textOf(element)) as unknown));
  else if (format === 'json') body = Buffer.from(`[${elements.map(textOf).join(',')}]`);
  else body = Buffer.from(elements.map(textOf).join('\n'));
  // An NDJSON body that ends early loses its last line alone; the others are unreadable.
  return isTorn ? body.subarray(0, format === 'ndjson' ? 0 : body.length - 3) : body;
}
