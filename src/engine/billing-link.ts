import { MessageChannel } from 'node:worker_threads';
import type { RegionLoad, TariffQuestion } from '../actors/tariffs/protocol.ts';
import type { TariffsPort } from '../http/tariffs-port.ts';
import type { SharedClock, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { Requester, Responder } from '../runtime/request-channel.ts';
import { portTransport } from '../runtime/transport.ts';
import { BILLING_PORT, BILLING_QUESTIONS_MAX, ENERGY_PORT, ENERGY_QUESTIONS_MAX, type BillingNews, type BillingReply, type BillingRequest, type EnergyAnswers, type EnergyQuestion, type EnergyReply } from './billing-ports.ts';
import type { EnergyParts } from './energy-link.ts';
import { answerEnergy } from './energy-port-source.ts';
import type { ConnectableThread } from './shard-links.ts';

/** The main thread's end of what it says to the thread of the bills. Questions reject with `unavailable` (retryable) while that is away. */

/** For loads to be on disk. */
const LOADS_DEADLINE_MS = 30_000;
/** Messages are bounded pages and documents. */
const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;
/** Questions that ask shards several times, one after the other, as for a year by months, have as many times the deadline of one. */
const ROUNDS: Partial<Record<TariffQuestion['kind'], number>> = { estimate: 3, cycle: 3, draft: 3, explainInvoice: 3, compare: 6 };

export interface BillingLinkModules {
  clock: SharedClock;
  timers: Timers;
  log: Log;
  energy: EnergyParts;
  onNews(news: BillingNews): void;
}

export class BillingLink {
  private readonly deadlineMs: number;
  private readonly modules: BillingLinkModules;
  private requester: Requester<BillingRequest, BillingReply, BillingNews> | null = null;

  /** `deadlineMs`: of a question to a shard. */
  constructor(options: { deadlineMs: number }, modules: BillingLinkModules) {
    this.deadlineMs = options.deadlineMs;
    this.modules = modules;
  }

  /** The thread is ready. */
  up(thread: ConnectableThread): void {
    this.down();
    const { epoch } = thread;
    const questions = new MessageChannel();
    this.requester = new Requester(portTransport(questions.port1), { name: 'billing', creditsMax: BILLING_QUESTIONS_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch }, this.modules);
    this.requester.onEvent((news) => this.modules.onNews(news));
    thread.connect(BILLING_PORT, questions.port2, null);
    const energy = new MessageChannel();
    new Responder<EnergyQuestion, EnergyReply>(
      portTransport(energy.port1),
      (question, reply) => {
        answerEnergy(this.modules.energy, question).then(
          (found) => reply.ok(found, question.kind === 'determinants' ? (found as EnergyAnswers['determinants']).map((part) => part.found.rows.buffer as ArrayBuffer) : []),
          (error: unknown) => reply.fail(error instanceof OperationalError ? error : new OperationalError('query_failed', 'the engine could not say how much energy flowed', { cause: error })),
        );
      },
      // A question changes nothing; its asker hears that the channel is closed.
      { name: 'main', mailboxMax: ENERGY_QUESTIONS_MAX, epoch, onFailure: (error) => this.modules.log.error({ err: error }, 'a question for energy failed') },
      this.modules,
    );
    thread.connect(ENERGY_PORT, energy.port2, null);
  }

  down(): void {
    this.requester?.close();
    this.requester = null;
  }

  // TypeScript does not see that a method of the port's own type is one.
  readonly ask = ((question: TariffQuestion) => this.request({ kind: 'ask', question }, this.deadlineMs * (ROUNDS[question.kind] ?? 1))) as unknown as TariffsPort['ask'];

  /** Resolves when what follows of them is on disk. */
  async observe(loads: RegionLoad[]): Promise<void> {
    await this.request({ kind: 'loads', loads }, LOADS_DEADLINE_MS);
  }

  private request(message: BillingRequest, deadlineMs: number): Promise<BillingReply> {
    if (this.requester === null) return Promise.reject(new OperationalError('unavailable', 'tariffs and bills are restarting; try again shortly', { retryable: true }));
    return this.requester.request(message, { deadlineMs });
  }
}
