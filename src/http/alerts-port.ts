import type { AlertAnswers, AlertQuestion } from '../actors/alerts/protocol.ts';
import type { NotificationAnswers, NotificationQuestion } from '../actors/notifications/protocol.ts';
import { OperationalError } from '../runtime/errors.ts';

export type SupervisorQuestion = AlertQuestion | NotificationQuestion;
export type SupervisorAnswers = AlertAnswers & NotificationAnswers;

/**
 * What the gateway asks of the alerts and notifications supervisors. Every promise settles within the engine's query deadline. Rejections are OperationalErrors: the codes beside each
 * question (supervisor-refusals.ts has their statuses), `deadline`, or a retryable one while their thread is away.
 */
export interface AlertsPort {
  ask<Kind extends SupervisorQuestion['kind']>(question: SupervisorQuestion & { kind: Kind }): Promise<SupervisorAnswers[Kind]>;
}

/** In the place of supervisors in an engine that runs without them. */
export const ALERTS_OFF: AlertsPort = {
  ask: () => Promise.reject(new OperationalError('alerts_off', 'this engine runs without alerts and notifications')),
};
