import { MessageChannel } from 'node:worker_threads';
import type { Observation, RulesInForce } from '../actors/alerts/protocol.ts';
import type { AlertsPort, SupervisorQuestion } from '../http/alerts-port.ts';
import type { SharedClock, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { Requester, Responder } from '../runtime/request-channel.ts';
import { portTransport } from '../runtime/transport.ts';
import { ALERT_QUESTIONS_MAX, ALERTS_PORT, ENGINE_PORT, ENGINE_QUESTIONS_MAX, type AlertsEvent, type AlertsReply, type AlertsRequest, type EngineQuestion, type EngineReply } from './alert-ports.ts';
import type { ConnectableThread } from './shard-links.ts';

/** The main thread's end of what it says to the thread of the alerts. Questions reject with `unavailable` (retryable) while that is away. */

/** For what was observed to be on disk: a storm of a hundred thousand alerts takes some seconds. */
const OBSERVE_DEADLINE_MS = 30_000;
/** Messages are bounded pages and observations. */
const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;

export interface AlertLinkModules {
  clock: SharedClock;
  timers: Timers;
  log: Log;
  onAlerts(event: AlertsEvent): void;
  /** Answers the thread; what it rejects with is told. */
  answer(question: EngineQuestion): Promise<EngineReply>;
}

export class AlertLink implements AlertsPort {
  private readonly deadlineMs: number;
  private readonly modules: AlertLinkModules;
  private requester: Requester<AlertsRequest, AlertsReply, AlertsEvent> | null = null;

  /** `deadlineMs`: of a question. */
  constructor(options: { deadlineMs: number }, modules: AlertLinkModules) {
    this.deadlineMs = options.deadlineMs;
    this.modules = modules;
  }

  get isUp(): boolean {
    return this.requester !== null;
  }

  /** The thread is ready. */
  up(thread: ConnectableThread): void {
    this.down();
    const { epoch } = thread;
    const questions = new MessageChannel();
    this.requester = new Requester(portTransport(questions.port1), { name: 'alerts', creditsMax: ALERT_QUESTIONS_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch }, this.modules);
    this.requester.onEvent((event) => this.modules.onAlerts(event));
    thread.connect(ALERTS_PORT, questions.port2, null);
    const answers = new MessageChannel();
    new Responder<EngineQuestion, EngineReply>(
      portTransport(answers.port1),
      (question, reply) => {
        this.modules.answer(question).then(
          (found) => reply.ok(found),
          (error: unknown) => reply.fail(error instanceof OperationalError ? error : new OperationalError('query_failed', 'the engine could not answer', { cause: error })),
        );
      },
      // A question changes nothing; its asker hears that the channel is closed.
      { name: 'main', mailboxMax: ENGINE_QUESTIONS_MAX, epoch, onFailure: (error) => this.modules.log.error({ err: error }, 'a question of the alerts failed') },
      this.modules,
    );
    thread.connect(ENGINE_PORT, answers.port2, null);
  }

  down(): void {
    this.requester?.close();
    this.requester = null;
  }

  // TypeScript does not see that a method of the port's own type is one.
  readonly ask = ((question: SupervisorQuestion) => this.request({ kind: 'ask', question }, this.deadlineMs)) as unknown as AlertsPort['ask'];

  /** Resolves when it counts and is on disk. */
  async observe(observation: Observation): Promise<void> {
    await this.request({ kind: 'observe', observation }, OBSERVE_DEADLINE_MS);
  }

  /** Resolves when they are in force. */
  async setRules(rules: RulesInForce): Promise<void> {
    await this.request({ kind: 'rules', rules }, OBSERVE_DEADLINE_MS);
  }

  private request(message: AlertsRequest, deadlineMs: number): Promise<AlertsReply> {
    if (this.requester === null) return Promise.reject(new OperationalError('unavailable', 'alerts are restarting; try again shortly', { retryable: true }));
    return this.requester.request(message, { deadlineMs });
  }
}
