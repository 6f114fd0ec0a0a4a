import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { AlertsActor } from '../actors/alerts/actor.ts';
import type { RulesInForce } from '../actors/alerts/protocol.ts';
import { NotificationsActor, type RenderModule } from '../actors/notifications/actor.ts';
import type { NotificationQuestion } from '../actors/notifications/protocol.ts';
import { readUnsubscribeToken } from '../actors/notifications/unsubscribe-token.ts';
import { PeopleDirectory } from '../actors/people/people-directory.ts';
import type { SupervisorQuestion } from '../http/alerts-port.ts';
import { ALERT_TYPES, type Alert, type AlertStatistics, type AlertType } from '../model/alert.ts';
import { OperationalError } from '../runtime/errors.ts';
import { MailboxMetrics } from '../runtime/mailbox-metrics.ts';
import { Requester, Responder, type Reply } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import { portTransport } from '../runtime/transport.ts';
import { alertChannels, type ChannelSettings } from './alert-channels.ts';
import {
  ALERT_QUESTIONS_MAX,
  ALERTS_PER_EVENT_MAX,
  ALERTS_PORT,
  ENGINE_PORT,
  ENGINE_QUESTIONS_MAX,
  type AlertsEvent,
  type AlertsReply,
  type AlertsRequest,
  type EngineAnswers,
  type EngineQuestion,
  type EngineReply,
} from './alert-ports.ts';
import { openAlertStore } from './open-alert-store.ts';
import { ALERT_OUTBOX_PORT, answerOutbox } from './outbox-link.ts';
import type { AlertThreadSnapshot } from './engine-metrics.ts';
import type { MessageRendererModules } from './message-renderer.ts';

/** A worker thread with the supervisors of alerts and notifications, and the people they know, on one LMDB environment: what they say to each other is in one transaction. */

export interface AlertThreadOptions {
  /** Of the environment. */
  directory: string;
  /** Systems beside the engine that are told of alerts. */
  consumers: readonly string[];
  rules: RulesInForce;
  channels: ChannelSettings;
  publicUrl: string | null;
  /** Time that the engine has for an answer, ms. */
  askDeadlineMs: number;
  /** Time for messages under way when the thread stops, ms. */
  drainMs: number;
}

const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;
const ID_BYTES = 9;

/** Kinds of questions for the supervisor of notifications; all others are for that of alerts. */
const NOTIFICATION_KINDS: Readonly<Record<NotificationQuestion['kind'], true>> = {
  contacts: true, contact: true, makeContact: true, changeContact: true, removeContact: true, resumeChannel: true, subscription: true, unsubscribe: true, resubscribe: true,
  schedules: true, schedule: true, makeSchedule: true, changeSchedule: true, removeSchedule: true, override: true, removeOverride: true, onCall: true,
  deliveries: true, delivery: true, explainDeliveries: true, preview: true, sendTest: true,
};

runThread(async (context) => {
  const options = context.options as AlertThreadOptions;
  const { clock, timers, log } = context;
  const mailbox = new MailboxMetrics();
  const effects = new MailboxMetrics();
  const onFailure = (error: unknown): never => context.fail(error);
  const newId = (): string => randomBytes(ID_BYTES).toString('base64url');
  let main: Responder<AlertsRequest, AlertsReply, never, AlertsEvent> | null = null;
  let engine: Requester<EngineQuestion, EngineReply> | null = null;

  const { store, linkSecret } = await openAlertStore(options.directory);
  const people = new PeopleDirectory(store);
  people.load();
  const channels = await alertChannels(options.channels, { clock, timers, publish: (contactId, notification) => ask<'publish'>({ kind: 'publish', contactId, notification }) });
  const render = lazyRenderer(() => ({ clock, publicUrl: options.publicUrl, linkSecret, ask }));
  const notifications = new NotificationsActor(
    {},
    { store, people, channels, render, readUnsubscribeToken: (token) => readUnsubscribeToken(linkSecret, token), newId, clock, timers, random: Math.random, log, onDelivery: () => {}, onFailure },
  );
  const alerts = new AlertsActor(
    { ...options.rules, info: options.rules, outbox: { consumers: options.consumers, generation: newId() } },
    {
      store,
      people,
      clock,
      timers,
      log,
      askEpisode: ({ meterId, kind, startedAt }) => ask<'episode'>({ kind: 'episode', meterId, anomalyKind: kind, startedAt }),
      onNotices: () => notifications.take(),
      onChanges: tellChanges,
      onFailure,
    },
  );

  context.onPort((purpose, port) => {
    if (purpose === ALERTS_PORT) main = answerMain(port);
    else if (purpose === ALERT_OUTBOX_PORT) answerOutbox(port, alerts, { name: context.name, epoch: context.epoch, onFailure }, { clock, metrics: effects });
    else if (purpose === ENGINE_PORT) engine = new Requester(portTransport(port), { name: 'main', creditsMax: ENGINE_QUESTIONS_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch: context.epoch }, { clock, timers });
  });

  function ask<K extends EngineQuestion['kind']>(question: Extract<EngineQuestion, { kind: K }>): Promise<EngineAnswers[K]> {
    if (engine === null) return Promise.reject(new OperationalError('unavailable', 'the alerts are not connected to the main thread yet', { retryable: true }));
    return engine.request(question, { deadlineMs: options.askDeadlineMs }) as Promise<EngineAnswers[K]>;
  }

  function answerMain(port: MessagePort): Responder<AlertsRequest, AlertsReply, never, AlertsEvent> {
    return new Responder(portTransport(port), answer, { name: context.name, mailboxMax: ALERT_QUESTIONS_MAX, epoch: context.epoch, onFailure }, { clock, metrics: mailbox });
  }

  function answer(request: AlertsRequest, reply: Reply<AlertsReply>): void {
    answerTo(request).then(
      (found) => reply.ok(found),
      (error: unknown) => {
        if (error instanceof OperationalError) return reply.fail(error);
        log.error({ err: error, request: request.kind }, 'a question to the alerts failed');
        reply.fail(new OperationalError('query_failed', 'alerts could not answer this', { cause: error }));
      },
    );
  }

  async function answerTo(request: AlertsRequest): Promise<AlertsReply> {
    switch (request.kind) {
      case 'observe':
        await alerts.observe(request.observation);
        return null;
      case 'rules':
        await alerts.setRules(request.rules.faults.length === 0 ? request.rules.rules : null, request.rules);
        return null;
      case 'ask':
        return isForNotifications(request.question) ? notifications.ask(request.question) : alerts.ask(request.question);
    }
  }

  /** The newest of them are enough for a page; whoever wants all is told that there are more. */
  function tellChanges(changed: readonly Alert[]): void {
    if (changed.length > 0) main?.sendEvent({ alerts: changed.slice(-ALERTS_PER_EVENT_MAX), isAll: changed.length <= ALERTS_PER_EVENT_MAX });
  }

  /** Counted by the hours in which they opened, so what was there at the start is taken off. */
  const startedAt = clock.now();
  const statistics = (): Promise<AlertStatistics> => alerts.ask({ kind: 'alertStatistics', from: startedAt, to: clock.now() + 1 });

  await alerts.start();
  const atStart = await statistics();
  notifications.start();

  return {
    control: {},
    async stop() {
      await alerts.stop();
      await notifications.stop(options.drainMs);
      await Promise.all([...channels.values()].map((channel) => channel.close()));
      engine?.close();
      await store.close();
    },
    async metrics(): Promise<AlertThreadSnapshot> {
      const { active, opened } = await statistics();
      return {
        kind: 'alerts',
        thread: context.name,
        epoch: context.epoch,
        stats: null,
        mailboxes: { [context.name]: mailbox.snapshot(), [`${context.name}.effects`]: effects.snapshot() },
        alerts: alerts.metrics(),
        active,
        opened: Object.fromEntries(ALERT_TYPES.map((type) => [type, Math.max(0, opened.byType[type] - atStart.opened.byType[type])])) as Record<AlertType, number>,
        notifications: notifications.figures(),
        storeBytes: store.sizeBytes(),
      };
    },
  };
});

/** Loaded with the first message: an engine at rest has none. */
function lazyRenderer(modules: () => MessageRendererModules): RenderModule {
  let renderer: Promise<RenderModule> | null = null;
  return {
    async render(...message) {
      renderer ??= import('./message-renderer.ts').then(({ MessageRenderer }) => new MessageRenderer(modules()));
      return (await renderer).render(...message);
    },
  };
}

function isForNotifications(question: SupervisorQuestion): question is NotificationQuestion {
  return question.kind in NOTIFICATION_KINDS;
}
