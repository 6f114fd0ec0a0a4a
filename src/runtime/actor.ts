import type { Clock, Timers } from './clock.ts';
import { OperationalError } from './errors.ts';
import { describeExit, type ExitReason } from './exit-reason.ts';
import { MailboxMetrics } from './mailbox-metrics.ts';

/**
 * An actor beside others on one thread: a bounded mailbox and one message at a time. For supervisor actors, hundreds of messages a
 * second; the data plane between threads has channels of its own (request-channel.ts).
 */

/** Messages in one turn at most, so that a long mailbox leaves room for timers and I/O between turns. */
const TURN_MESSAGES_MAX = 64;

export interface ActorOptions<Message> {
  name: string;
  /** Messages that may wait, and questions that may be open; past it `tell` gives false. */
  mailboxMax: number;
  /** Takes one message; the next waits until its promise settles. What it throws or rejects with crashes the actor. */
  receive: (message: Message) => void | Promise<void>;
}

export interface ActorDeps {
  clock: Clock;
  timers: Timers;
}

/** Answers one question; the first call counts, and none does after the deadline. */
export interface Answer<Result> {
  ok(result: Result): void;
  fail(error: OperationalError): void;
}

/** A Child for a Supervisor: an actor that has exited stays so, and its factory makes the next one. */
export class Actor<Message> {
  readonly name: string;
  readonly metrics = new MailboxMetrics();
  /** Never rejects. */
  readonly exited: Promise<ExitReason>;
  private readonly options: ActorOptions<Message>;
  private readonly deps: ActorDeps;
  private settleExited!: (reason: ExitReason) => void;
  /** A ring of `mailboxMax` places: the oldest message is at `head`. */
  private readonly messages: (Message | undefined)[];
  private readonly sentAtMs: Float64Array;
  private head = 0;
  private waiting = 0;
  private turning = false;
  private stopping = false;
  private end: ExitReason | null = null;
  /** Rejects one open question each. Bounded by mailboxMax. */
  private readonly questions = new Set<(error: OperationalError) => void>();

  constructor(options: ActorOptions<Message>, deps: ActorDeps) {
    this.name = options.name;
    this.options = options;
    this.deps = deps;
    this.messages = new Array<Message | undefined>(options.mailboxMax);
    this.sentAtMs = new Float64Array(options.mailboxMax);
    this.exited = new Promise((resolve) => (this.settleExited = resolve));
  }

  /** Puts a message into the mailbox; false when it is full, or the actor is stopping or gone. Never runs `receive` before it returns. */
  tell(message: Message): boolean {
    if (this.stopping || this.end !== null) return false;
    if (this.waiting === this.options.mailboxMax) {
      this.metrics.turnedAway();
      return false;
    }
    const tail = (this.head + this.waiting) % this.options.mailboxMax;
    this.messages[tail] = message;
    this.sentAtMs[tail] = this.deps.clock.monotonic();
    this.waiting++;
    this.metrics.enqueued();
    if (!this.turning) {
      this.turning = true;
      queueMicrotask(() => void this.turn());
    }
    return true;
  }

  /**
   * Tells the message that `question` makes of an Answer and waits for it, `deadlineMs` from now at most. Rejects with the answer's error,
   * `mailbox_full`, `deadline` or `peer_gone` (all three retryable).
   */
  ask<Result>(question: (answer: Answer<Result>) => Message, deadlineMs: number): Promise<Result> {
    if (this.stopping || this.end !== null) return Promise.reject(this.goneError());
    if (this.questions.size >= this.options.mailboxMax) {
      this.metrics.turnedAway();
      return Promise.reject(this.fullError());
    }
    return new Promise((resolve, reject) => {
      const settle = (): boolean => {
        deadline.cancel();
        return this.questions.delete(fail);
      };
      const fail = (error: OperationalError): void => {
        if (settle()) reject(error);
      };
      const ok = (result: Result): void => {
        if (settle()) resolve(result);
      };
      const deadline = this.deps.timers.after(deadlineMs, () =>
        fail(new OperationalError('deadline', `${this.name} did not answer within ${deadlineMs} ms`, { retryable: true })),
      );
      this.questions.add(fail);
      if (!this.tell(question({ ok, fail }))) fail(this.fullError());
    });
  }

  /**
   * Takes no more messages, works off those that wait, and ends; what is left after `timeLimitMs` is dropped and its askers get
   * `peer_gone`. Resolves when the actor is gone; never rejects.
   */
  stop(timeLimitMs: number): Promise<ExitReason> {
    if (this.stopping || this.end !== null) return this.exited;
    this.stopping = true;
    if (!this.turning) {
      this.finish({ kind: 'stopped' });
      return this.exited;
    }
    const limit = this.deps.timers.after(timeLimitMs, () => this.finish({ kind: 'terminated' }));
    void this.exited.then(() => limit.cancel());
    return this.exited;
  }

  private async turn(): Promise<void> {
    for (let handled = 0; this.waiting > 0 && this.end === null; handled++) {
      if (handled === TURN_MESSAGES_MAX) {
        this.deps.timers.after(0, () => void this.turn());
        return;
      }
      await this.handleNext();
    }
    this.turning = false;
    if (this.stopping) this.finish({ kind: 'stopped' });
  }

  private async handleNext(): Promise<void> {
    const message = this.messages[this.head] as Message;
    const startedAtMs = this.deps.clock.monotonic();
    this.metrics.started(startedAtMs - this.sentAtMs[this.head]);
    this.messages[this.head] = undefined;
    this.head = (this.head + 1) % this.options.mailboxMax;
    this.waiting--;
    try {
      await this.options.receive(message);
      // An actor that was given up while it worked has already closed its books.
      if (this.end === null) this.metrics.finished(this.deps.clock.monotonic() - startedAtMs);
    } catch (thrown) {
      if (this.end !== null) return;
      this.metrics.finishedFailed(this.deps.clock.monotonic() - startedAtMs);
      this.finish({ kind: 'crashed', error: thrown instanceof Error ? thrown : new Error(String(thrown)) });
    }
  }

  private finish(reason: ExitReason): void {
    if (this.end !== null) return;
    this.end = reason;
    this.messages.fill(undefined);
    this.waiting = 0;
    this.metrics.abandoned();
    for (const fail of [...this.questions]) fail(this.goneError());
    this.settleExited(reason);
  }

  private goneError(): OperationalError {
    const how = this.end === null ? 'is stopping' : describeExit(this.end);
    const cause = this.end?.kind === 'crashed' ? this.end.error : undefined;
    return new OperationalError('peer_gone', `${this.name} ${how}`, { retryable: true, cause });
  }

  private fullError(): OperationalError {
    return new OperationalError('mailbox_full', `${this.name} has ${this.options.mailboxMax} messages waiting; try again shortly`, { retryable: true });
  }
}
