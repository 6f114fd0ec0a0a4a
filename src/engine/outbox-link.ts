import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { OutboxQuestion } from '../actors/sinks/supervisor-effects.ts';
import { OperationalError } from '../runtime/errors.ts';
import { Responder, type ResponderOptions } from '../runtime/request-channel.ts';
import type { SharedClock } from '../runtime/clock.ts';
import type { MailboxMetrics } from '../runtime/mailbox-metrics.ts';
import { portTransport } from '../runtime/transport.ts';
import type { ConnectableThread } from './shard-links.ts';

/** The sink thread asks the threads of supervisors for what changed, past the main thread. */

/** Purpose of the port, at either end. */
export const ALERT_OUTBOX_PORT = 'alert-outbox';
export const BILLING_OUTBOX_PORT = 'billing-outbox';
export type OutboxPort = typeof ALERT_OUTBOX_PORT | typeof BILLING_OUTBOX_PORT;
/** Unanswered at once: a read ahead and an acknowledgement for each sink, and room for those that are past their deadline. */
export const OUTBOX_QUESTIONS_MAX = 16;

/** What comes with the sink thread's port: the incarnation of the supervisor's thread. */
export interface OutboxPortMeta {
  epoch: number;
}

/** Connects the sink thread and that of a supervisor whenever one of them is there anew. */
export class OutboxLink {
  private readonly port: OutboxPort;
  private supervisor: ConnectableThread | null = null;
  private sinks: ConnectableThread | null = null;

  constructor(port: OutboxPort) {
    this.port = port;
  }

  supervisorUp(thread: ConnectableThread): void {
    this.supervisor = thread;
    this.connect();
  }

  sinksUp(thread: ConnectableThread): void {
    this.sinks = thread;
    this.connect();
  }

  supervisorDown(): void {
    this.supervisor = null;
  }

  sinksDown(): void {
    this.sinks = null;
  }

  private connect(): void {
    const { supervisor, sinks } = this;
    if (supervisor === null || sinks === null) return;
    const { port1, port2 } = new MessageChannel();
    supervisor.connect(this.port, port1, null);
    sinks.connect(this.port, port2, { epoch: supervisor.epoch } satisfies OutboxPortMeta);
  }
}

/** A supervisor with an outbox. */
export interface OutboxOwner<Piece> {
  readOutbox(consumer: string, position: string | null, max: number): Promise<Piece>;
  acknowledgeOutbox(consumer: string, position: string): Promise<void>;
}

/** The supervisor's end. */
export function answerOutbox<Piece>(port: MessagePort, owner: OutboxOwner<Piece>, options: Omit<ResponderOptions, 'mailboxMax'>, modules: { clock: SharedClock; metrics: MailboxMetrics }): void {
  const answer = (question: OutboxQuestion): Promise<Piece | null> =>
    question.kind === 'read' ? owner.readOutbox(question.consumer, question.position, question.max) : owner.acknowledgeOutbox(question.consumer, question.position).then(() => null);
  new Responder<OutboxQuestion, Piece | null>(
    portTransport(port),
    (question, reply) => {
      answer(question).then(
        (found) => reply.ok(found),
        (error: unknown) => reply.fail(error instanceof OperationalError ? error : new OperationalError('query_failed', `${options.name} could not say what changed`, { cause: error })),
      );
    },
    { ...options, mailboxMax: OUTBOX_QUESTIONS_MAX },
    modules,
  );
}
