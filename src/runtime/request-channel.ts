import type { Transferable } from 'node:worker_threads';
import type { SharedClock, TimerHandle, Timers } from './clock.ts';
import { invariant, OperationalError } from './errors.ts';
import { MailboxMetrics } from './mailbox-metrics.ts';
import type { Transport } from './transport.ts';
import { fromWireError, toWireError, type WireError } from './wire-error.ts';

/**
 * Request and reply over a transport, with credits: a requester has at most `creditsMax` requests at its responder, so a mailbox is
 * bounded by the sum of its senders' credits and a slow responder is felt by who sends, at once.
 *
 * A request is a batch: a few thousand a second, each one promise and one message either way. Events go one way, both ways, without
 * credits: they are for reports at a fixed interval, whose sender bounds them.
 */

/** What crosses the transport. `epoch` is the incarnation of the responding actor that the channel belongs to. */
type Envelope =
  | { type: 'request'; id: number; epoch: number; sentAtMs: number; body: unknown }
  | { type: 'reply'; id: number; epoch: number; result: unknown }
  | { type: 'failure'; id: number; epoch: number; error: WireError }
  | { type: 'event'; epoch: number; event: unknown };

export interface RequesterOptions {
  /** For messages: who is asked. */
  name: string;
  /** Requests that may be unanswered at once. */
  creditsMax: number;
  /** Bytes, as the requests state them, that may be unanswered at once. One larger request still goes when nothing else is in flight. */
  bytesInFlightMax: number;
  /** Incarnation of the responder this channel was made for. */
  epoch: number;
}

export interface RequestOptions {
  /** Milliseconds from now until the promise rejects. */
  deadlineMs: number;
  /** Size for `bytesInFlightMax`; 0 when absent. */
  bytes?: number;
  /** Buffers of the message that move; unusable here once the request is sent. */
  transfer?: readonly Transferable[];
}

export interface RequesterSnapshot {
  credits: number;
  bytesInFlight: number;
  /** Since the start: requests sent, requests refused for want of credits or bytes, requests past their deadline. */
  sent: number;
  outOfCredits: number;
  pastDeadline: number;
}

interface PendingRequest {
  resolve(result: unknown): void;
  reject(error: OperationalError): void;
  /** On the monotonic clock. */
  deadlineAtMs: number;
  bytes: number;
  /** Past its deadline: the promise is settled, but the responder still holds the request and with it the credit. */
  expired: boolean;
}

/** The asking end. Owns its transport. */
export class Requester<Req, Res, EventIn = never, EventOut = never> {
  readonly name: string;
  private readonly options: RequesterOptions;
  private readonly transport: Transport;
  private readonly clock: SharedClock;
  private readonly timers: Timers;
  /** Bounded by creditsMax. */
  private readonly pending = new Map<number, PendingRequest>();
  private readonly counts = { bytesInFlight: 0, sent: 0, outOfCredits: 0, pastDeadline: 0 };
  private nextId = 1;
  private sweepTimer: TimerHandle | null = null;
  private sweepAtMs = Infinity;
  private closedBy: OperationalError | null = null;
  private creditListener: (() => void) | null = null;
  private eventListener: ((event: EventIn) => void) | null = null;

  constructor(transport: Transport, options: RequesterOptions, deps: { clock: SharedClock; timers: Timers }) {
    this.name = options.name;
    this.options = options;
    this.transport = transport;
    this.clock = deps.clock;
    this.timers = deps.timers;
    transport.onMessage((message) => this.receive(message as Envelope));
    transport.onClose(() => this.end(undefined));
  }

  /** Requests that may be sent now. */
  get credits(): number {
    return this.options.creditsMax - this.pending.size;
  }

  /**
   * Sends a request, or gives null when credits or bytes are used up: the caller decides whether to wait (`onCredit`) or refuse.
   * Rejects with the responder's own OperationalError, `deadline` (retryable; it may yet be carried out), or `peer_gone`
   * (retryable; it may or may not have been carried out). Throws what cannot be cloned.
   */
  tryRequest(message: Req, options: RequestOptions): Promise<Res> | null {
    if (this.closedBy !== null) return Promise.reject(this.closedBy);
    const bytes = options.bytes ?? 0;
    if (this.credits === 0 || (this.pending.size > 0 && this.counts.bytesInFlight + bytes > this.options.bytesInFlightMax)) {
      this.counts.outOfCredits++;
      return null;
    }
    const id = this.nextId++;
    this.transport.post(
      { type: 'request', id, epoch: this.options.epoch, sentAtMs: this.clock.sharedMonotonic(), body: message } satisfies Envelope,
      options.transfer,
    );
    this.counts.sent++;
    this.counts.bytesInFlight += bytes;
    const deadlineAtMs = this.clock.monotonic() + options.deadlineMs;
    this.armSweep(deadlineAtMs);
    return new Promise<Res>((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as (result: unknown) => void, reject, deadlineAtMs, bytes, expired: false });
    });
  }

  /** As `tryRequest`, but rejects with `no_credits` (retryable) instead of giving null. */
  request(message: Req, options: RequestOptions): Promise<Res> {
    return (
      this.tryRequest(message, options) ??
      Promise.reject(new OperationalError('no_credits', `${this.name} has as many requests as it may hold; try again shortly`, { retryable: true }))
    );
  }

  /** Sets the one listener that hears when a credit has come back. */
  onCredit(fn: () => void): void {
    this.creditListener = fn;
  }

  sendEvent(event: EventOut, transfer?: readonly Transferable[]): void {
    this.transport.post({ type: 'event', epoch: this.options.epoch, event } satisfies Envelope, transfer);
  }

  /** Sets the one receiver of events; those of other epochs are left out. */
  onEvent(fn: (event: EventIn) => void): void {
    this.eventListener = fn;
  }

  snapshot(): RequesterSnapshot {
    return { credits: this.credits, ...this.counts };
  }

  /** Rejects every unanswered request with `peer_gone` and closes the transport. Further requests reject the same way. */
  close(cause?: unknown): void {
    this.end(cause);
    this.transport.close();
  }

  private receive(envelope: Envelope): void {
    // Words of an incarnation that is gone can come after its successor started.
    if (this.closedBy !== null || envelope.epoch !== this.options.epoch) return;
    switch (envelope.type) {
      case 'event':
        this.eventListener?.(envelope.event as EventIn);
        return;
      case 'reply':
        this.settle(envelope.id)?.resolve(envelope.result);
        break;
      case 'failure':
        this.settle(envelope.id)?.reject(fromWireError(envelope.error));
        break;
      default:
        invariant(false, `a requester of ${this.name} received a ${envelope.type}`);
    }
    this.creditListener?.();
  }

  /** Takes back the credit of a request; null when its deadline has already settled it. */
  private settle(id: number): PendingRequest | null {
    const request = this.pending.get(id);
    invariant(request !== undefined, `${this.name} answered request ${id} twice`);
    this.pending.delete(id);
    this.counts.bytesInFlight -= request.bytes;
    return request.expired ? null : request;
  }

  /** One timer per channel, for the earliest deadline: requests mostly share a deadline, so it fires about once in that time. */
  private armSweep(deadlineAtMs: number): void {
    if (this.sweepAtMs <= deadlineAtMs) return;
    this.sweepTimer?.cancel();
    this.sweepAtMs = deadlineAtMs;
    this.sweepTimer = this.timers.after(Math.max(0, deadlineAtMs - this.clock.monotonic()), () => this.sweep());
  }

  private sweep(): void {
    this.sweepAtMs = Infinity;
    const nowMs = this.clock.monotonic();
    let earliestMs = Infinity;
    for (const request of this.pending.values()) {
      if (request.expired) continue;
      if (request.deadlineAtMs > nowMs) {
        earliestMs = Math.min(earliestMs, request.deadlineAtMs);
        continue;
      }
      request.expired = true;
      this.counts.pastDeadline++;
      request.reject(new OperationalError('deadline', `${this.name} did not answer in time; it may yet do what was asked`, { retryable: true }));
    }
    if (earliestMs < Infinity) this.armSweep(earliestMs);
  }

  private end(cause: unknown): void {
    if (this.closedBy !== null) return;
    this.closedBy = new OperationalError('peer_gone', `${this.name} is gone; try again when it is back`, { retryable: true, cause });
    this.sweepTimer?.cancel();
    for (const request of this.pending.values()) {
      if (!request.expired) request.reject(this.closedBy);
    }
    this.pending.clear();
    this.counts.bytesInFlight = 0;
  }
}

/** Answers one request. Exactly one of the two is called, once, now or later. */
export interface Reply<Res> {
  /** Buffers in `transfer` move and are unusable here afterwards. Goes nowhere when the asker is gone. */
  ok(result: Res, transfer?: readonly Transferable[]): void;
  fail(error: OperationalError): void;
}

export interface ResponderOptions {
  /** For messages: who answers. */
  name: string;
  /** Unanswered requests this end accepts; at least the creditsMax of the other end, or it refuses what was promised. */
  mailboxMax: number;
  /** Incarnation of this actor. */
  epoch: number;
  /** Told of what the handler threw, after this channel has closed: the actor's state can no longer be trusted and it must crash. */
  onFailure(error: unknown): void;
}

export interface ResponderDeps {
  clock: SharedClock;
  /** Shared by the channels of one actor; its own when absent. */
  metrics?: MailboxMetrics;
}

/** The answering end. Owns its transport. Calls its handler with each request as it comes, in order. */
export class Responder<Req, Res, EventIn = never, EventOut = never> {
  readonly metrics: MailboxMetrics;
  private readonly options: ResponderOptions;
  private readonly transport: Transport;
  private readonly clock: SharedClock;
  private readonly handler: (request: Req, reply: Reply<Res>) => void;
  private readonly mailbox: OpenRequests;
  private eventListener: ((event: EventIn) => void) | null = null;
  private crashed = false;

  constructor(transport: Transport, handler: (request: Req, reply: Reply<Res>) => void, options: ResponderOptions, deps: ResponderDeps) {
    this.options = options;
    this.transport = transport;
    this.clock = deps.clock;
    this.handler = handler;
    this.metrics = deps.metrics ?? new MailboxMetrics();
    this.mailbox = new OpenRequests(transport, this.metrics, deps.clock, options.epoch);
    transport.onMessage((message) => this.receive(message as Envelope));
  }

  sendEvent(event: EventOut, transfer?: readonly Transferable[]): void {
    this.transport.post({ type: 'event', epoch: this.options.epoch, event } satisfies Envelope, transfer);
  }

  /** Sets the one receiver of events; those of other epochs are left out. What it throws is a failure like the handler's. */
  onEvent(fn: (event: EventIn) => void): void {
    this.eventListener = fn;
  }

  /** Closes the transport; the other end's unanswered requests reject with `peer_gone`. */
  close(): void {
    this.transport.close();
  }

  private receive(envelope: Envelope): void {
    // After a crash the half-done work of one request must not be built on by the next.
    if (this.crashed) return;
    try {
      if (envelope.type === 'request') this.receiveRequest(envelope);
      else if (envelope.type === 'event' && envelope.epoch === this.options.epoch) this.eventListener?.(envelope.event as EventIn);
    } catch (error) {
      this.crashed = true;
      this.transport.close();
      this.options.onFailure(error);
    }
  }

  private receiveRequest(envelope: Extract<Envelope, { type: 'request' }>): void {
    const { name, epoch, mailboxMax } = this.options;
    if (envelope.epoch !== epoch) {
      this.refuse(envelope, new OperationalError('stale_epoch', `the request was meant for an earlier ${name}; connect again`, { retryable: true }));
      return;
    }
    if (this.mailbox.unanswered >= mailboxMax) {
      this.refuse(envelope, new OperationalError('mailbox_full', `${name} holds ${mailboxMax} requests already; try again shortly`, { retryable: true }));
      return;
    }
    this.mailbox.unanswered++;
    this.metrics.enqueued();
    this.metrics.started(this.clock.sharedMonotonic() - envelope.sentAtMs);
    const reply = new OpenReply<Res>(this.mailbox, envelope.id, this.clock.monotonic());
    try {
      this.handler(envelope.body as Req, reply);
    } catch (error) {
      reply.abandon();
      throw error;
    }
  }

  /** Answered under the epoch it was asked under, so that its asker takes the answer. */
  private refuse(envelope: Extract<Envelope, { type: 'request' }>, error: OperationalError): void {
    this.metrics.turnedAway();
    this.transport.post({ type: 'failure', id: envelope.id, epoch: envelope.epoch, error: toWireError(error) } satisfies Envelope);
  }
}

/** What the replies of one responder share. */
class OpenRequests {
  unanswered = 0;
  readonly transport: Transport;
  readonly metrics: MailboxMetrics;
  readonly clock: SharedClock;
  readonly epoch: number;

  constructor(transport: Transport, metrics: MailboxMetrics, clock: SharedClock, epoch: number) {
    this.transport = transport;
    this.metrics = metrics;
    this.clock = clock;
    this.epoch = epoch;
  }
}

class OpenReply<Res> implements Reply<Res> {
  private readonly mailbox: OpenRequests;
  private readonly id: number;
  private readonly startedAtMs: number;
  private open = true;

  constructor(mailbox: OpenRequests, id: number, startedAtMs: number) {
    this.mailbox = mailbox;
    this.id = id;
    this.startedAtMs = startedAtMs;
  }

  ok(result: Res, transfer?: readonly Transferable[]): void {
    this.answerOnce();
    this.mailbox.metrics.finished(this.mailbox.clock.monotonic() - this.startedAtMs);
    this.mailbox.transport.post({ type: 'reply', id: this.id, epoch: this.mailbox.epoch, result } satisfies Envelope, transfer);
  }

  fail(error: OperationalError): void {
    this.answerOnce();
    this.mailbox.metrics.finishedFailed(this.mailbox.clock.monotonic() - this.startedAtMs);
    this.mailbox.transport.post({ type: 'failure', id: this.id, epoch: this.mailbox.epoch, error: toWireError(error) } satisfies Envelope);
  }

  /** The handler threw: counted as failed unless it had answered before. The asker learns of it when the channel closes. */
  abandon(): void {
    if (!this.open) return;
    this.answerOnce();
    this.mailbox.metrics.finishedFailed(this.mailbox.clock.monotonic() - this.startedAtMs);
  }

  private answerOnce(): void {
    invariant(this.open, `request ${this.id} was answered twice`);
    this.open = false;
    this.mailbox.unanswered--;
  }
}
