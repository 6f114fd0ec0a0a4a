import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { AlertsActor } from '../actors/alerts/actor.ts';
import type { AlertOutboxAnswer, AlertOutboxQuestion } from '../actors/sinks/alert-effects.ts';
import { OperationalError } from '../runtime/errors.ts';
import { Responder, type ResponderOptions } from '../runtime/request-channel.ts';
import type { SharedClock } from '../runtime/clock.ts';
import type { MailboxMetrics } from '../runtime/mailbox-metrics.ts';
import { portTransport } from '../runtime/transport.ts';
import type { ConnectableThread } from './shard-links.ts';

/** The sink thread asks the alerts' thread for what changed, past the main thread. */

/** Purpose of the port, at either end. */
export const ALERT_OUTBOX_PORT = 'alert-outbox';
/** Unanswered at once: a read ahead and an acknowledgement for each sink, and room for those that are past their deadline. */
export const ALERT_OUTBOX_QUESTIONS_MAX = 16;

/** What comes with the sink thread's port: the incarnation of the alerts' thread. */
export interface AlertOutboxPortMeta {
  epoch: number;
}

/** Connects the two whenever one of them is there anew. */
export class AlertOutboxLink {
  private alerts: ConnectableThread | null = null;
  private sinks: ConnectableThread | null = null;

  alertsUp(thread: ConnectableThread): void {
    this.alerts = thread;
    this.connect();
  }

  sinksUp(thread: ConnectableThread): void {
    this.sinks = thread;
    this.connect();
  }

  alertsDown(): void {
    this.alerts = null;
  }

  sinksDown(): void {
    this.sinks = null;
  }

  private connect(): void {
    const { alerts, sinks } = this;
    if (alerts === null || sinks === null) return;
    const { port1, port2 } = new MessageChannel();
    alerts.connect(ALERT_OUTBOX_PORT, port1, null);
    sinks.connect(ALERT_OUTBOX_PORT, port2, { epoch: alerts.epoch } satisfies AlertOutboxPortMeta);
  }
}

/** The alerts' end. */
export function answerAlertOutbox(port: MessagePort, alerts: AlertsActor, options: Omit<ResponderOptions, 'mailboxMax'>, modules: { clock: SharedClock; metrics: MailboxMetrics }): void {
  const answer = (question: AlertOutboxQuestion): Promise<AlertOutboxAnswer> =>
    question.kind === 'read' ? alerts.readOutbox(question.consumer, question.position, question.max) : alerts.acknowledgeOutbox(question.consumer, question.position).then(() => null);
  new Responder<AlertOutboxQuestion, AlertOutboxAnswer>(
    portTransport(port),
    (question, reply) => {
      answer(question).then(
        (found) => reply.ok(found),
        (error: unknown) => reply.fail(error instanceof OperationalError ? error : new OperationalError('query_failed', 'the alerts could not say what changed', { cause: error })),
      );
    },
    { ...options, mailboxMax: ALERT_OUTBOX_QUESTIONS_MAX },
    modules,
  );
}
