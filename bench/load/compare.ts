import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { TariffAnswers, TariffQuestion } from '../../src/actors/tariffs/protocol.ts';
import { tariffSchema, type TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { ENERGY_QUESTIONS_MAX, type EnergyAnswers, type EnergyQuestion, type EnergyReply } from '../../src/engine/billing-ports.ts';
import { EnergyLink } from '../../src/engine/energy-link.ts';
import { answerEnergy } from '../../src/engine/energy-port-source.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { invariant, OperationalError } from '../../src/runtime/errors.ts';
import { Responder } from '../../src/runtime/request-channel.ts';
import { portTransport } from '../../src/runtime/transport.ts';
import { hashOf, quantileOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { TARIFF } from './billing-run.ts';
import type { SupervisorReply } from './compare-supervisor.ts';
import { meterIdOf } from './reading-source.ts';
import { PARTITIONS } from './rerate-fleet.ts';
import { DEADLINE_MS, SHARDS, startShard, type Shard } from './rerate.ts';

/** A month of every customer rated anew under the tariff that they have, and under two: energy on the shards' disks, bills and their sums in the supervisor, the main thread between them, as in the engine. */

export interface CompareOptions {
  meters: number;
  rounds: number;
}

export const COMPARE_FULL: CompareOptions = { meters: 40_000, rounds: 5 };

const FLEET = 1_000_000;
/** Of which the shards have energy. */
const MONTH = '2026-03';
const ASKED_TOGETHER = 1_000;
const LOOK_MS = 20;

/** What customers have is the tariff of `billing-run`: three periods, tiers, demand. The other one has other times, without demand. */
const OTHER = tariffSchema.parse({
  ...TARIFF,
  ...{ id: 'evening', name: 'Cheap evenings', appliesTo: null },
  schedules: [
    {
      name: 'evening',
      periods: [{ name: 'low' }, { name: 'high' }],
      rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '06:00', period: 'low' }, { from: '06:00', to: '20:00', period: 'high' }, { from: '20:00', to: '24:00', period: 'low' }] }],
    },
  ],
  charges: [
    { kind: 'energy', name: 'Energy', schedule: 'evening', rates: [{ period: 'low', tiers: [{ price: '0.1290' }] }, { period: 'high', tiers: [{ price: '0.2479' }] }] },
    { kind: 'fixed', name: 'Base', price: '11.90', per: 'month' },
    { kind: 'tax', name: 'VAT', percent: '8.1' },
  ],
});

export async function run(options: CompareOptions = COMPARE_FULL): Promise<BenchReport> {
  const directory = await mkdtemp(join(tmpdir(), 'seg-bench-compare-'));
  const shards: Shard[] = Array.from({ length: SHARDS }, (_, shard) => startShard({ shard, shardCount: SHARDS, directory: join(directory, `shard-${shard}`), meters: options.meters }));
  let supervisor: Supervisor | null = null;
  try {
    await Promise.all(shards.map(({ filled }) => filled));
    supervisor = await Supervisor.start(join(directory, 'billing'), shards);
    return await measure(options, supervisor);
  } finally {
    await supervisor?.end();
    for (const { worker, requester } of shards) {
      requester.close();
      await worker.terminate();
    }
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure({ meters, rounds }: CompareOptions, supervisor: Supervisor): Promise<BenchReport> {
  for (const document of [TARIFF, OTHER]) await supervisor.ask({ kind: 'putTariff', document, expectedVersion: null, by: 'bench' });
  for (let first = 0; first < meters; first += ASKED_TOGETHER) {
    await Promise.all(Array.from({ length: Math.min(ASKED_TOGETHER, meters - first) }, (_, i) => supervisor.ask({ kind: 'makeAgreement', agreement: agreementOf(first + i), by: 'bench' })));
  }
  const rows = [
    // Of the one that all have: a month is rated again.
    await measureTariffs('customers rated, a month under their tariff', [TARIFF], { meters, rounds }, supervisor),
    await measureTariffs('customers rated, a month under two tariffs', [TARIFF, OTHER], { meters, rounds }, supervisor),
  ];
  return { name: 'load: compare', leavesOut: 'readings that come meanwhile, a cold page cache where the files fit into memory, HTTP.', rows };
}

async function measureTariffs(what: string, compared: readonly TariffDocument[], { meters, rounds }: CompareOptions, supervisor: Supervisor): Promise<BenchRow> {
  const rates: number[] = [];
  let last: TariffAnswers['comparison'] | null = null;
  const cpuMs: number[] = [];
  let looksMsMax = 0;
  for (let round = 0; round < rounds; round++) {
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    const { id } = await supervisor.ask({ kind: 'startComparison', comparison: { tariffs: compared.map(({ id }) => ({ id, version: null })), fromMonth: MONTH, toMonth: MONTH, of: { kind: 'agreements' } }, by: 'bench' });
    for (;;) {
      const askedMs = performance.now();
      last = await supervisor.ask({ kind: 'comparison', id });
      looksMsMax = Math.max(looksMsMax, performance.now() - askedMs);
      if (last.state !== 'running') break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    rates.push((meters * 1_000) / (performance.now() - startedMs));
    const { user, system } = process.cpuUsage(cpuBefore);
    cpuMs.push((user + system) / 1_000);
    invariant(last.state === 'done' && last.rated === meters && last.failed === 0, `${last.rated} of ${meters} customers are rated, ${last.failed} are not: ${last.state} ${JSON.stringify(last.failures)}`);
  }
  const { tariffs, saving, present } = last!;
  const row = rowOf(what, 'meters/s', rates, '', hashOf(JSON.stringify([tariffs, saving, present])));
  row.note = `${(FLEET / row.median).toFixed(0)} s for ${FLEET} meters; ${SHARDS} shards, ${meters} meters; ${((quantileOf(Float64Array.from(cpuMs), 0.5) * 1_000) / meters).toFixed(0)} µs of processor time each; a question meanwhile took ${looksMsMax.toFixed(0)} ms at most; counts verified: ${last!.rated} customers rated`;
  return row;
}

function agreementOf(number: number) {
  const customer = { name: `Customer ${number}`, address: [`${number} Main Street`, '8000 Zurich'], email: null, taxId: null };
  return { meterId: meterIdOf(number), customer, customerClass: 'home', tariffId: null, movedIn: '2026-01-01', movedOut: null };
}

/** The thread of the supervisor, as the main thread has it: it asks, and answers for the shards. */
class Supervisor {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve(answer: never): void; reject(error: Error): void }>();
  private asked = 0;

  private constructor(worker: Worker) {
    this.worker = worker;
    worker.on('message', ({ id, answer, fault }: SupervisorReply) => {
      const { resolve, reject } = this.waiting.get(id)!;
      this.waiting.delete(id);
      if (fault === undefined) resolve(answer as never);
      else reject(new Error(fault));
    });
  }

  static async start(directory: string, shards: readonly Shard[]): Promise<Supervisor> {
    const { port1, port2 } = new MessageChannel();
    const link = new EnergyLink({ partitionCount: PARTITIONS, shardCount: SHARDS }, (shard, query) => shards[shard].requester.request(query, { deadlineMs: DEADLINE_MS }) as never);
    new Responder<EnergyQuestion, EnergyReply>(
      portTransport(port1),
      (question, reply) => {
        answerEnergy(link, question).then(
          (found) => reply.ok(found, question.kind === 'determinants' ? (found as EnergyAnswers['determinants']).map((part) => part.found.rows.buffer as ArrayBuffer) : []),
          (error: unknown) => reply.fail(new OperationalError('query_failed', 'no energy', { cause: error })),
        );
      },
      { name: 'main', mailboxMax: ENERGY_QUESTIONS_MAX, epoch: 1, onFailure: (error) => { throw error; } },
      { clock: systemClock },
    );
    const worker = new Worker(new URL('compare-supervisor.ts', import.meta.url), { workerData: { directory, energy: port2, deadlineMs: DEADLINE_MS }, transferList: [port2] });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    return new Supervisor(worker);
  }

  ask<Kind extends TariffQuestion['kind']>(question: TariffQuestion & { kind: Kind }): Promise<TariffAnswers[Kind]> {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, question });
    });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}
