import { readFileSync } from 'node:fs';
import { checkTariff } from '../../src/actors/tariffs/tariff-check.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import type { TariffVersion } from '../../src/actors/tariffs/protocol.ts';
import { EngineRegistry } from '../../src/engine/engine-registry.ts';
import type { DynamicPrice, Invoice, PriceOverride } from '../../src/model/billing.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { AlertDesk } from './alert-desk.ts';
import { startDashboard, type DashboardServer } from './dashboard-server.ts';
import { exampleDays, exampleInvoice, exampleLines, HOME_LINES } from './example-invoices.ts';
import { FakeGrid } from './fake-grid.ts';
import { fakeTariffs, type FakeTariffs } from './fake-tariffs.ts';
import { id, region } from './registry-world.ts';

/** A dashboard with something on each of its pages: ten regions with a fortnight of history, alerts, tariffs, bills and prices. */

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** The consumer's. */
export const HOME_METER = 'meter-0104';

export interface Showcase {
  grid: FakeGrid;
  desk: AlertDesk;
  tariffs: FakeTariffs;
  server: DashboardServer;
}

export async function startShowcase(nowMs: number, port = 0): Promise<Showcase> {
  const grid = new FakeGrid(nowMs);
  grid.historyMs = 14 * DAY_MS;
  grid.energyMs = 430 * DAY_MS;
  grid.priceList = prices(nowMs);
  const desk = new AlertDesk(grid);
  desk.raise(
    { rule: 'regional-overload', type: 'REGIONAL_OVERLOAD', kind: 'regional_load', severity: 'CRITICAL', region: 'region-08', title: 'Region region-08 is at 97 % of its capacity', description: 'It was above 95 % for 2 min.', value: 97, threshold: 95, unit: '%', affectedMeters: 0, startedAt: nowMs - 4 * MINUTE_MS },
    { region: 'region-05', meterId: 'meter-0502', title: 'Meter meter-0502 has no power', description: 'No reading for 26 min.', startedAt: nowMs - 26 * MINUTE_MS },
  );
  const tariffs = exampleBilling(nowMs);
  return { grid, desk, tariffs, server: await startDashboard(grid, port, desk, tariffs, await exampleRegistry()) };
}

/** A real one: entries of all meters and of some that are to come. */
async function exampleRegistry(): Promise<EngineRegistry> {
  const registry = new EngineRegistry({ store: new MemoryStore(), clock: systemClock, timers: systemTimers, log: nullLog, regions: () => new Set() });
  const rows = Array.from({ length: 10 }, (_, i) => `region-${String(i + 1).padStart(2, '0')}`).flatMap((name, i) =>
    Array.from({ length: 12 }, (_, n) => ({
      meterId: id(`meter-${String((i + 1) * 100 + n + 1).padStart(4, '0')}`),
      change: {
        region: region(name), serial: `LG-${4_000 + i * 100 + n}`, manufacturer: 'Landis+Gyr', model: 'E450', customerClass: n === 0 ? 'commercial' : 'residential',
        address: { street: `Hauptstraße ${n + 1}`, postalCode: String(50_660 + i), city: ['Köln', 'Bonn', 'Aachen'][i % 3], country: 'DE' }, phases: 3 as const, ratedPowerKw: 14.5, cadenceSeconds: 900,
        installedOn: n > 9 ? null : `20${10 + n}-03-01`, removedOn: n === 9 ? '2026-01-15' : null,
      },
    })),
  );
  await registry.importRows(rows, { by: 'Ada', isDryRun: false, takesNewRegions: true });
  return registry;
}

function documentOf(file: string, changes: object = {}): TariffDocument {
  const { document, faults } = checkTariff({ ...(JSON.parse(readFileSync(new URL(`../../docs/tariffs/${file}`, import.meta.url), 'utf8')) as object), ...changes });
  if (document === null) throw new Error(`${file}: ${JSON.stringify(faults)}`);
  return document;
}

function exampleBilling(nowMs: number): FakeTariffs {
  const tariffs = fakeTariffs();
  const versions: TariffVersion[] = ['time-of-use.json', 'flat.json', 'low-normal-high.json', 'commercial-demand.json'].map((file, i) => {
    const document = documentOf(file);
    return { id: document.id, version: i + 1, document, storedAt: nowMs - (40 + i) * DAY_MS, by: 'Ada' };
  });
  const all = invoices(nowMs);
  const { answers } = tariffs;
  answers.tariffs = () => ({ data: versions, nextCursor: null });
  answers.tariff = ({ id }) => versions.find((version) => version.id === id) ?? versions[0];
  answers.tariffOf = () => ({ ...versions[0], agreementId: 'ag-10042' });
  answers.invoices = ({ query }) => ({ data: all.filter(({ state, meterId }) => (query.state === null || state === query.state) && (query.meterId === null || meterId === query.meterId)), nextCursor: null });
  answers.invoice = ({ id }) => all.find((invoice) => invoice.id === id || invoice.number === id) ?? all[0];
  answers.payments = ({ invoiceId }) => all.filter(({ id, state }) => id === invoiceId && state === 'paid').map((invoice) => ({ id: 'p1', invoiceId, amount: invoice.total, receivedAt: (invoice.issuedAt ?? nowMs) + 9 * DAY_MS, method: 'transfer', reference: 'A-77' }));
  answers.explainInvoice = ({ id }) => {
    const invoice = all.find((one) => one.id === id) ?? all[0];
    return { invoice, recomputed: invoice, agrees: true, lines: invoice.lines.map(({ number, text, quantity, unit, unitPrice, amount }) => ({ number, text, how: `${quantity} ${unit} × ${unitPrice}`, amount, recomputed: amount, agrees: true })) };
  };
  answers.runs = () => ({ data: [{ id: 'r1', month: monthsBack(nowMs, 1), state: 'done', startedAt: nowMs - 3 * DAY_MS, startedBy: 'Ada', endedAt: nowMs - 3 * DAY_MS + MINUTE_MS, agreements: 100, done: 100, issued: 98, incomplete: { bills: 7, aboveTenth: 2 }, faults: [], failed: 2, after: null }], nextCursor: null });
  answers.prices = () => prices(nowMs);
  answers.priceHistory = ({ region }) => ({ data: Array.from({ length: 14 }, (_, i) => ({ ...prices(nowMs)[Number(region.slice(-2)) - 1], price: (0.2 + 0.05 * Math.abs(Math.sin(i))).toFixed(2), since: nowMs - (14 - i) * 97 * MINUTE_MS })), nextCursor: null });
  const overrides: PriceOverride[] = [{ id: 'o1', region: 'region-02', price: '0.40', from: nowMs - 60 * MINUTE_MS, until: nowMs + 180 * MINUTE_MS, by: 'Ada', reason: 'works on the northern line', endedAt: null, endedBy: null, endReason: null }];
  answers.overrides = () => ({ data: overrides, nextCursor: null });
  answers.makeOverride = ({ region, price, from, until, by, reason }) => {
    overrides.unshift({ id: `o${overrides.length + 1}`, region, price, from, until, by, reason, endedAt: null, endedBy: null, endReason: null });
    return overrides[0];
  };
  const [bill] = all;
  const from = `${monthsBack(nowMs, 0)}-01`;
  const cycle = { ...bill, from, to: new Date(nowMs).toISOString().slice(0, 10), dailyKwh: exampleDays(from, new Date(nowMs).getUTCDate()), total: '71.42', importKwh: '318.4' };
  answers.cycle = () => ({ bill: cycle, projected: { ...cycle, total: '88.15' } });
  answers.estimate = ({ from: first, to }) => ({ ...bill, from: first, to, importKwh: '352.9', total: '80.11' });
  answers.compare = () => versions.slice(0, 3).map(({ id, version }, i) => ({ tariffId: id, version, total: ['104.10', '98.72', '117.45'][i], currency: versions[0].document.currency, difference: ['0.00', '-5.38', '13.35'][i], monthly: [] }));
  // Tariffs of one currency and zone are compared.
  for (const version of versions.slice(1, 3)) version.document = { ...version.document, currency: versions[0].document.currency, zone: versions[0].document.zone };
  return tariffs;
}

function prices(nowMs: number): DynamicPrice[] {
  return Array.from({ length: 10 }, (_, i) => {
    const multiplier = ['1.00', '1.10', '1.25', '0.90', '1.00', '1.00', '0.90', '1.25', '1.00', '1.00'][i];
    const isByHand = i === 1;
    return { region: `region-${String(i + 1).padStart(2, '0')}`, price: isByHand ? '0.40' : (0.2 * Number(multiplier)).toFixed(2), currency: 'EUR', multiplier, loadPercent: isByHand ? null : 60 + i * 3, override: isByHand ? 'o1' : null, since: nowMs - (i + 3) * 7 * MINUTE_MS };
  });
}

/** `2026-07` */
function monthsBack(nowMs: number, months: number): string {
  const now = new Date(nowMs);
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
}

function invoices(nowMs: number): Invoice[] {
  return (['issued', 'paid', 'overdue', 'paid', 'disputed', 'paid'] as const).map((state, i) => {
    const from = `${monthsBack(nowMs, i + 1)}-01`;
    const to = `${monthsBack(nowMs, i)}-01`;
    const days = Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);
    const invoice = exampleInvoice({ id: `i-${i}`, number: `INV-2026-${String(42 - i).padStart(6, '0')}`, state, from, to, currency: 'EUR', lines: exampleLines(HOME_LINES, { from, to }), dailyKwh: exampleDays(from, days), issuedAt: Date.parse(`${to}T06:00:00Z`) + 2 * DAY_MS, dueDate: new Date(Date.parse(to) + 23 * DAY_MS).toISOString().slice(0, 10), meterId: i === 4 ? 'meter-0802' : HOME_METER });
    // Of the one that is overdue much was not measured.
    if (state === 'overdue') invoice.quality = { measured: 96 * days - 1_756, estimated: 0, missing: 1_756 };
    return { ...invoice, ...(state === 'paid' ? { paid: invoice.total, outstanding: '0.00' } : {}) };
  });
}
