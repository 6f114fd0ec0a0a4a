import type { MessagePort } from 'node:worker_threads';
import { TariffsActor } from '../actors/tariffs/actor.ts';
import { PriceBook } from '../actors/tariffs/price-book.ts';
import type { PriceRulesDocument } from '../actors/tariffs/price-rules.ts';
import type { BillingEvent } from '../actors/tariffs/protocol.ts';
import { OperationalError } from '../runtime/errors.ts';
import { MailboxMetrics } from '../runtime/mailbox-metrics.ts';
import { Requester, Responder, type Reply } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import { portTransport } from '../runtime/transport.ts';
import { BILLING_PORT, BILLING_QUESTIONS_MAX, ENERGY_PORT, ENERGY_QUESTIONS_MAX, EVENTS_PER_MESSAGE_MAX, type BillingNews, type BillingReply, type BillingRequest } from './billing-ports.ts';
import { EnergyPortSource } from './energy-port-source.ts';
import type { BillingThreadSnapshot } from './engine-metrics.ts';
import { BILLING_OUTBOX_PORT, answerOutbox } from './outbox-link.ts';
import { openBillingStore } from './open-billing-store.ts';

/** A worker thread with the tariff supervisor on an LMDB environment of its own: a monthly run takes a core for minutes, and nothing else may wait for it. */

export interface BillingThreadOptions {
  /** Of the environment. */
  directory: string;
  /** Systems beside the engine that are told of bills and prices. */
  consumers: readonly string[];
  priceRules: PriceRulesDocument;
  /** How far behind its meter a reading may be and still correct what was billed, ms. */
  correctionHorizonMs: number;
  /** From one look at all bills that may have to be corrected to the next, ms. */
  correctionEveryMs: number;
  /** Time that the engine has for an answer about energy, ms. */
  askDeadlineMs: number;
}

/** From a late reading to its window on disk, and a look at it. */
const CORRECTION_ROOM_MS = 86_400_000;
const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;

runThread(async (context) => {
  const options = context.options as BillingThreadOptions;
  const { clock, timers, log } = context;
  const mailbox = new MailboxMetrics();
  const effects = new MailboxMetrics();
  const energy = new EnergyPortSource({ deadlineMs: options.askDeadlineMs });
  let main: Responder<BillingRequest, BillingReply, never, BillingNews> | null = null;

  const onFailure = (error: unknown): never => context.fail(error);
  const { store, generation } = await openBillingStore(options.directory);
  const tariffs = new TariffsActor(
    { outbox: { consumers: options.consumers, generation }, corrections: { correctionHorizonMs: options.correctionHorizonMs + CORRECTION_ROOM_MS, correctionEveryMs: options.correctionEveryMs } },
    { store, clock, timers, nextTurn: setImmediate, log, energy, prices: new PriceBook(options.priceRules, store), onEvents: tellEvents, onFailure },
  );

  context.onPort((purpose, port) => {
    if (purpose === BILLING_PORT) main = answerMain(port);
    else if (purpose === BILLING_OUTBOX_PORT) answerOutbox(port, tariffs, { name: context.name, epoch: context.epoch, onFailure }, { clock, metrics: effects });
    else if (purpose === ENERGY_PORT) energy.connect(new Requester(portTransport(port), { name: 'main', creditsMax: ENERGY_QUESTIONS_MAX, bytesInFlightMax: BYTES_UNCOUNTED, epoch: context.epoch }, { clock, timers }));
  });

  function answerMain(port: MessagePort): Responder<BillingRequest, BillingReply, never, BillingNews> {
    return new Responder(portTransport(port), answer, { name: context.name, mailboxMax: BILLING_QUESTIONS_MAX, epoch: context.epoch, onFailure }, { clock, metrics: mailbox });
  }

  function answer(request: BillingRequest, reply: Reply<BillingReply>): void {
    answerTo(request).then(
      (found) => reply.ok(found),
      (error: unknown) => {
        if (error instanceof OperationalError) return reply.fail(error);
        log.error({ err: error, request: request.kind }, 'a question about tariffs or bills failed');
        reply.fail(new OperationalError('query_failed', 'tariffs and bills could not answer this', { cause: error }));
      },
    );
  }

  async function answerTo(request: BillingRequest): Promise<BillingReply> {
    if (request.kind === 'ask') return tariffs.ask(request.question);
    await tariffs.observe(request.loads);
    return null;
  }

  /** Of bills the newest are enough for a page. */
  function tellEvents(events: readonly BillingEvent[]): void {
    const prices = events.filter(({ topic }) => topic === 'tariff_updates');
    const bills = events.filter(({ topic }) => topic !== 'tariff_updates');
    main?.sendEvent({ events: [...prices, ...bills.slice(-EVENTS_PER_MESSAGE_MAX)] });
  }

  await tariffs.start();

  return {
    control: {},
    async stop() {
      await tariffs.stop();
      energy.close();
      await store.close();
    },
    async metrics(): Promise<BillingThreadSnapshot> {
      return { kind: 'billing', thread: context.name, epoch: context.epoch, stats: null, mailboxes: { [context.name]: mailbox.snapshot(), [`${context.name}.effects`]: effects.snapshot() }, billing: tariffs.metrics(), storeBytes: store.sizeBytes() };
    },
  };
});
