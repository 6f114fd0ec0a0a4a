import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { TariffsActor } from '../../src/actors/tariffs/actor.ts';
import { PriceBook } from '../../src/actors/tariffs/price-book.ts';
import { DEFAULT_PRICE_RULES } from '../../src/actors/tariffs/price-rules.ts';
import type { TariffQuestion } from '../../src/actors/tariffs/protocol.ts';
import { ENERGY_QUESTIONS_MAX } from '../../src/engine/billing-ports.ts';
import { EnergyPortSource } from '../../src/engine/energy-port-source.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { Requester } from '../../src/runtime/request-channel.ts';
import { portTransport } from '../../src/runtime/transport.ts';

/** The tariff supervisor of the compare benchmark, on a thread and a store of its own as in the engine: it is asked by messages, and asks the main thread for energy. */

export interface CompareSupervisorOptions {
  directory: string;
  energy: MessagePort;
  deadlineMs: number;
}

/** A question, or what the thread has used so far. */
export type SupervisorRequest = { id: number; question: TariffQuestion };
export type SupervisorReply = { id: number; answer?: unknown; fault?: string };

const PAGE_BYTES = 4_096;

const { directory, energy: port, deadlineMs } = workerData as CompareSupervisorOptions;
const store = openLmdbStore({ directory, pageBytes: PAGE_BYTES });
const energy = new EnergyPortSource({ deadlineMs });
energy.connect(new Requester(portTransport(port), { name: 'main', creditsMax: ENERGY_QUESTIONS_MAX, bytesInFlightMax: Number.MAX_SAFE_INTEGER, epoch: 1 }, { clock: systemClock, timers: systemTimers }));
const actor = new TariffsActor(
  { outbox: { consumers: [], generation: 'bench' }, corrections: { correctionHorizonMs: 40 * 86_400_000, correctionEveryMs: 3_600_000 } },
  {
    ...{ store, clock: systemClock, timers: systemTimers, nextTurn: setImmediate, log: nullLog, energy, prices: new PriceBook(DEFAULT_PRICE_RULES, store), onEvents: () => {} },
    onFailure: (error) => {
      throw error;
    },
  },
);
await actor.start();
const main = parentPort!;
main.on('message', ({ id, question }: SupervisorRequest) => {
  actor.ask(question).then(
    (answer) => main.postMessage({ id, answer } satisfies SupervisorReply),
    (error: unknown) => main.postMessage({ id, fault: String(error) } satisfies SupervisorReply),
  );
});
main.postMessage('ready');
