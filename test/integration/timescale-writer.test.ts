import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ALERTS_LANE, BEGINNING, BILLING_LANE, type SinkBatch } from '../../src/actors/sinks/protocol.ts';
import type { BillingEvent } from '../../src/actors/tariffs/protocol.ts';
import { timescaleWriter } from '../../src/actors/sinks/timescale/timescale-writer.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Invoice } from '../../src/model/billing.ts';
import type { MeterWindow } from '../../src/model/window.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { suiteWithPostgres } from '../services/service-suites.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { disputeEvent, exampleDispute, exampleInvoice, exampleLine, examplePayment, examplePrice, invoiceEvent, paymentEvent, priceEvent } from '../support/example-bills.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { aMeterWindow, meterWindow } from '../support/meter-windows.ts';
import { anomaly, byMeterAndTime, deadLetter, regionWindow, sinkBatch, storedCursors, storedWindows } from '../support/sink-batches.ts';
import { timescaleWriters } from '../support/timescale-writers.ts';

const MINUTE = 60_000;
const START = 1_767_225_600_000;

suiteWithPostgres('the TimescaleDB writer', (postgres) => {
  const { database, writer: newWriter, opened: openWriter } = timescaleWriters(postgres);

  async function setAside(): Promise<{ what: string; reason: string; payload: string; shard: number; engine_id: string }[]> {
    return database().rows('SELECT * FROM sink_set_aside ORDER BY what');
  }

  test('writes windows as they are, and remembers where each shard goes on', async () => {
    const writer = newWriter();
    const before = await writer.open();
    expect([before(0), before(1)]).toEqual([BEGINNING, BEGINNING]);
    const windows = [
      meterWindow({ meterId: 'a', voltageAvg: 230.5, voltageMin: 229, voltageMax: 232, revision: 3 }),
      meterWindow({ meterId: 'b', avgPowerKw: -1 / 3, minPowerKw: 5e-324, maxPowerKw: 1.7976931348623157e308, energySource: 'estimated', final: false }),
      meterWindow({ meterId: 'a', granularity: '15m' }),
    ];
    expect(await writer.write(sinkBatch({ shard: 0, position: 'p0', windows }))).toEqual({ written: 3, setAside: [] });
    expect(await writer.write(sinkBatch({ shard: 1, position: "it's \\ odd", windows: [] }))).toEqual({ written: 0, setAside: [] });
    expect(await storedWindows(database(), '1m')).toEqual(windows.slice(0, 2));
    expect(await storedWindows(database(), '15m')).toEqual(windows.slice(2));
    const after = await newWriter().open();
    expect([after(0), after(1), after(2)]).toEqual(['p0', "it's \\ odd", BEGINNING]);
  });

  test('keeps the cursors of engines apart', async () => {
    const one = await openWriter();
    await one.write(sinkBatch({ position: 'of one' }));
    const other = newWriter({ engineId: 'engine-2' });
    expect((await other.open())(0)).toBe(BEGINNING);
    await other.write(sinkBatch({ position: 'of two' }));
    expect(await storedCursors(database())).toEqual({ 'engine-1/0': 'of one', 'engine-2/0': 'of two' });
  });

  test('lets a newer revision win, and nothing else', async () => {
    const writer = await openWriter();
    const second = meterWindow({ revision: 2, avgPowerKw: 2, region: 'moved' });
    await writer.write(sinkBatch({ position: '1', windows: [second] }));
    const stale = [meterWindow({ revision: 1, avgPowerKw: 1 })];
    expect((await writer.write(sinkBatch({ position: '2', windows: stale }))).written).toBe(0);
    const equal = [meterWindow({ revision: 2, avgPowerKw: 22 })];
    expect((await writer.write(sinkBatch({ position: '3', windows: equal }))).written).toBe(0);
    expect(await storedWindows(database())).toEqual([second]);
    const third = meterWindow({ revision: 3, avgPowerKw: 3 });
    expect((await writer.write(sinkBatch({ position: '4', windows: [third] }))).written).toBe(1);
    expect(await storedWindows(database())).toEqual([third]);
  });

  test('ends with the newest revision of each window, whatever the order and however often batches come', async () => {
    const writer = await openWriter();
    let position = 0;
    // A few windows of a few meters, so that revisions of one meet.
    const window = fc.tuple(aMeterWindow, fc.constantFrom('m1', 'm2', 'm3'), fc.nat(2), fc.nat(6)).map(([some, meterId, minute, revision]): MeterWindow => ({
      ...some,
      meterId,
      granularity: '1m',
      windowStart: START + minute * MINUTE,
      windowEnd: START + (minute + 1) * MINUTE,
      revision,
    }));
    const keyOf = ({ meterId, windowStart }: MeterWindow): string => `${meterId} ${windowStart}`;
    // In one order: two that write the same windows in any would wait for each other's rows now and then, and the database refuses one of them. A window is one shard's, and who writes for it tries again.
    const batch = fc.uniqueArray(window, { selector: keyOf, maxLength: 6 }).map((windows) => windows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ windows: batch, shard: fc.nat(1), times: fc.integer({ min: 1, max: 2 }) }), { maxLength: 8 }), async (batches) => {
        await database().rows('TRUNCATE aggregates_1m');
        const newest = new Map<string, MeterWindow>();
        // The same revision of a window has the same contents.
        const known = new Map<string, MeterWindow>();
        const lines: SinkBatch[][] = [[], []];
        for (const { windows, shard, times } of batches) {
          const real = windows.map((one) => {
            const name = `${one.meterId} ${one.windowStart} ${one.revision}`;
            if (!known.has(name)) known.set(name, one);
            return known.get(name)!;
          });
          for (const one of real) {
            const key = keyOf(one);
            if (one.revision > (newest.get(key)?.revision ?? -1)) newest.set(key, one);
          }
          for (let n = 0; n < times; n++) lines[shard].push(sinkBatch({ shard, position: `${++position}`, windows: real }));
        }
        await Promise.all(
          lines.map(async (line) => {
            for (const one of line) await writer.write(one);
          }),
        );
        expect(await storedWindows(database())).toEqual(byMeterAndTime([...newest.values()]));
      }),
      { numRuns: 40 },
    );
  });

  test('writes regional windows, anomalies and dead letters as they are now', async () => {
    const writer = await openWriter();
    const letter = deadLetter({ raw: 'a\0b\ud800', message: 'bad \0 byte', meterId: null });
    const first = {
      regionWindows: [regionWindow({ metersReporting: 1 }), regionWindow({ metersReporting: 2, capacityKw: 25, loadPercent: 15 }), regionWindow({ granularity: '15m' })],
      anomalies: [anomaly({}), anomaly({ id: 'o', kind: 'outage', severity: 'CRITICAL' })],
      deadLetters: [letter, deadLetter({ id: 'other' })],
    };
    // The last of a region's window counts, when there are two in a batch.
    expect(await writer.write(sinkBatch({ position: '1', ...first }))).toEqual({ written: 6, setAside: [] });
    const ended = anomaly({ endedAt: START + MINUTE, endReason: 'recovered', score: 7 });
    await writer.write(sinkBatch({ position: '2', regionWindows: [regionWindow({ metersReporting: 1 })], anomalies: [ended], deadLetters: [letter] }));
    expect(await database().rows('SELECT region, meters_reporting, sum_power_kw, capacity_kw, load_percent, window_end FROM regional_aggregates_1m')).toEqual([
      { region: 'region-01', meters_reporting: 1, sum_power_kw: 3.75, capacity_kw: null, load_percent: null, window_end: new Date(START + MINUTE) },
    ]);
    expect(await database().rows('SELECT meters_reporting, window_end FROM regional_aggregates_15m')).toEqual([{ meters_reporting: 3, window_end: new Date(START + 15 * MINUTE) }]);
    expect(await database().rows('SELECT * FROM anomalies ORDER BY id')).toEqual([
      {
        id: ended.id,
        type: 'ANOMALY',
        kind: 'spike',
        severity: 'WARN',
        region: 'region-01',
        meter_id: 'meter-1',
        started_at: new Date(START),
        ended_at: new Date(START + MINUTE),
        end_reason: 'recovered',
        value: 9.5,
        expected: 1.25,
        score: 7,
        message: ended.message,
      },
      expect.objectContaining({ id: 'o', type: 'METER_OUTAGE', kind: 'outage', ended_at: null, end_reason: null }),
    ]);
    expect(await database().rows('SELECT * FROM dead_letter ORDER BY id')).toEqual([
      { id: letter.id, received_at: new Date(letter.receivedAt), code: 'invalid_timestamp', message: 'bad \ufffd byte', index: 0, meter_id: null, raw: 'a\ufffdb\ufffd' },
      expect.objectContaining({ id: 'other', meter_id: 'meter-1', raw: '{"meterId":"meter-1"}' }),
    ]);
  });

  describe('with alerts', () => {
    const alertRows = (): Promise<object[]> => database().rows('SELECT * FROM alerts ORDER BY id');
    const of = (version: number, over: Partial<Alert> = {}): Alert => exampleAlert({ id: 'a', version, occurrences: version, ...over });

    test('writes all that is known of one', async () => {
      const writer = await openWriter();
      const over = exampleAlert({
        id: 'b', version: 7, type: 'METER_OUTAGE', kind: 'outage', severity: 'WARN', state: 'resolved', rule: 'meter-outage', title: 'Meter m1 is out', description: 'a\0b', region: 'north', meterId: 'm1', value: null, threshold: null, unit: null,
        startedAt: START, openedAt: START + 1, changedAt: START + 4, acknowledged: { at: START + 2, by: 'ada', why: null }, resolved: { at: START + 3, by: null, why: "it's \\ over" }, affectedMeters: 1, occurrences: 3, isFlapping: true, suppression: { by: 'inhibition', id: 'a' },
      });
      expect(await writer.write(sinkBatch({ shard: ALERTS_LANE, position: '1', alerts: [of(1), over] }), 0)).toEqual({ written: 2, setAside: [] });
      const none = { meter_id: null, component: null, acknowledged_at: null, acknowledged_by: null, acknowledged_why: null, resolved_at: null, resolved_by: null, resolved_why: null, suppressed_by: null, suppressed_id: null };
      const { title, description, openedAt } = of(1);
      expect(await alertRows()).toEqual([
        { ...none, id: 'a', version: 1, type: 'REGIONAL_OVERLOAD', kind: 'regional_load', severity: 'CRITICAL', state: 'open', rule: 'regional-overload', region: 'north', title, description, value: 94, threshold: 90, unit: '%',
          started_at: new Date(openedAt - MINUTE), opened_at: new Date(openedAt), changed_at: new Date(openedAt), affected_meters: 0, occurrences: 1, is_flapping: false },
        { ...none, id: 'b', version: 7, type: 'METER_OUTAGE', kind: 'outage', severity: 'WARN', state: 'resolved', rule: 'meter-outage', region: 'north', meter_id: 'm1', title: 'Meter m1 is out', description: 'a\ufffdb', value: null, threshold: null, unit: null,
          started_at: new Date(START), opened_at: new Date(START + 1), changed_at: new Date(START + 4), acknowledged_at: new Date(START + 2), acknowledged_by: 'ada', resolved_at: new Date(START + 3), resolved_why: "it's \\ over",
          affected_meters: 1, occurrences: 3, is_flapping: true, suppressed_by: 'inhibition', suppressed_id: 'a' },
      ]);
      expect(await storedCursors(database())).toEqual({ 'engine-1/-1': '1' });
      expect((await newWriter().open())(ALERTS_LANE)).toBe('1');
    });

    test('lets the higher version win, and nothing else', async () => {
      const writer = await openWriter();
      const write = async (position: string, alert: Alert): Promise<number> => (await writer.write(sinkBatch({ shard: ALERTS_LANE, position, alerts: [alert] }), 0)).written;
      expect([await write('1', of(2)), await write('2', of(1)), await write('3', of(2, { state: 'resolved' }))]).toEqual([1, 0, 0]);
      expect(await alertRows()).toMatchObject([{ version: 2, occurrences: 2, state: 'open' }]);
      expect(await write('4', of(3, { state: 'acknowledged' }))).toBe(1);
      expect(await alertRows()).toMatchObject([{ version: 3, occurrences: 3, state: 'acknowledged' }]);
    });
  });

  describe('with bills', () => {
    // As the database writes numbers and days.
    const invoices = (): Promise<object[]> => database().rows("SELECT *, to_char(period_from, 'YYYY-MM-DD') AS period_from, to_char(period_to, 'YYYY-MM-DD') AS period_to, to_char(due_date, 'YYYY-MM-DD') AS due_date FROM invoices ORDER BY id");
    const lines = (): Promise<object[]> => database().rows("SELECT *, to_char(period_from, 'YYYY-MM-DD') AS period_from, to_char(period_to, 'YYYY-MM-DD') AS period_to FROM invoice_lines ORDER BY invoice_id, number");
    const payments = (): Promise<object[]> => database().rows('SELECT * FROM payments ORDER BY id');
    const batch = (position: string, ...billing: BillingEvent[]): SinkBatch => sinkBatch({ shard: BILLING_LANE, position, billing });

    test('writes what was issued and paid, to the last unit, and nothing of drafts, prices and disputes', async () => {
      const writer = await openWriter();
      const invoice = exampleInvoice({ run: null, customer: { ...exampleInvoice().customer, name: 'Ada\0 Lovelace' } });
      const credit = exampleInvoice({ id: 'credit-1', number: 'CN-2026-000001', kind: 'creditNote', region: null, total: '-39.55', outstanding: '0', dueDate: null, corrects: 'invoice-1', lines: [exampleLine({ quantity: '-0.00000001', unitPrice: '123456789012345.12345678901234', amount: '-39.55' })] });
      const draft = exampleInvoice({ id: 'draft', number: null, state: 'draft', issuedAt: null });
      const payment = examplePayment({ reference: "it's \0 \\ odd" });
      const events = [invoiceEvent(invoice), invoiceEvent(credit), invoiceEvent(draft), paymentEvent(payment, invoice), priceEvent(examplePrice()), disputeEvent(exampleDispute())];
      expect(await writer.write(batch('1', ...events), 0)).toEqual({ written: 6, setAside: [] });
      const same = {
        version: 1, state: 'issued', agreement_id: 'agreement-1', meter_id: 'meter-1', currency: 'GBP', zone: 'Europe/London', period_from: '2026-07-01', period_to: '2026-08-01', net: '32.96', tax: '6.59', paid: '0',
        import_kwh: '120.5', export_kwh: '0', intervals_measured: 2_970, intervals_estimated: 4, intervals_missing: 2, issued_at: new Date(invoice.issuedAt!),
      };
      expect(await invoices()).toEqual([
        { ...same, id: 'credit-1', number: 'CN-2026-000001', kind: 'creditNote', region: null, customer_name: 'Ada Lovelace', total: '-39.55', outstanding: '0', due_date: null, corrects: 'invoice-1', run: '2026-07' },
        { ...same, id: 'invoice-1', number: 'INV-2026-000001', kind: 'invoice', region: 'north', customer_name: 'Ada\ufffd Lovelace', total: '39.55', outstanding: '39.55', due_date: '2026-08-24', corrects: null, run: null },
      ]);
      const line = { tariff_id: 'home', tariff_version: 2, period_from: '2026-07-01', period_to: '2026-08-01' };
      const energy = { ...line, number: 1, kind: 'energy', charge: 'Energy', text: 'Energy, peak, tier 1', period: 'peak', tier: 1, unit: 'kWh' };
      expect(await lines()).toEqual([
        { ...energy, invoice_id: 'credit-1', quantity: '-0.00000001', unit_price: '123456789012345.12345678901234', amount: '-39.55' },
        { ...energy, invoice_id: 'invoice-1', quantity: '120.5', unit_price: '0.2735', amount: '32.96' },
        { ...line, invoice_id: 'invoice-1', number: 2, kind: 'tax', charge: 'VAT', text: 'VAT, 20 %', period: null, tier: null, quantity: '32.96', unit: '%', unit_price: '20', amount: '6.59' },
      ]);
      expect(await payments()).toEqual([{ id: 'payment-1', invoice_id: 'invoice-1', amount: '20.00', currency: 'GBP', received_at: new Date(payment.receivedAt), method: 'transfer', reference: "it's \ufffd \\ odd" }]);
      expect(await storedCursors(database())).toEqual({ 'engine-1/-2': '1' });
    });

    test('lets the higher version of an invoice win, and has its lines and payments once however often they come', async () => {
      const writer = await openWriter();
      const of = (version: number, over: Partial<Invoice> = {}): BillingEvent => invoiceEvent(exampleInvoice({ version, ...over }));
      const write = async (position: string, ...events: BillingEvent[]): Promise<number> => (await writer.write(batch(position, ...events), 0)).written;
      const paid = { state: 'paid', paid: '39.55', outstanding: '0.00' } as const;
      const payment = paymentEvent(examplePayment(), exampleInvoice());
      expect([await write('1', of(2, paid), payment), await write('2', of(1)), await write('3', of(2, { state: 'disputed' }), payment)]).toEqual([4, 0, 0]);
      expect(await invoices()).toMatchObject([{ version: 2, ...paid }]);
      expect(await write('4', of(3, { state: 'credited' }))).toBe(1);
      expect(await invoices()).toMatchObject([{ version: 3, state: 'credited', paid: '0' }]);
      expect([await lines(), await payments()]).toMatchObject([[{ number: 1 }, { number: 2 }], [{ id: 'payment-1' }]]);
    });

    test('holds every decimal as it is', async () => {
      const writer = await openWriter();
      const decimal = fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 999_999_999_999_999n }), fc.option(fc.stringMatching(/^\d{1,14}$/), { nil: '' })).map(([negative, whole, fraction]) => `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`);
      let position = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(decimal, { minLength: 1, maxLength: 60 }), async (amounts) => {
          await database().rows('TRUNCATE payments');
          await writer.write(batch(`${++position}`, ...amounts.map((amount, i) => paymentEvent(examplePayment({ id: `${1_000 + i}`, amount }), exampleInvoice()))), 0);
          const stored = (await payments()) as { amount: string }[];
          expect(stored.map(({ amount }) => amount)).toEqual(amounts.map((amount) => (/^-0*(\.0*)?$/.test(amount) ? amount.slice(1) : amount)));
        }),
        { numRuns: 60 },
      );
    });

    test('sets aside what no column can hold, and writes the rest', async () => {
      const writer = await openWriter();
      const odd = exampleInvoice({ id: 'odd', number: 'INV-2026-000002', total: 'twelve' });
      const report = await writer.write(batch('1', invoiceEvent(odd), invoiceEvent(exampleInvoice()), paymentEvent(examplePayment({ amount: '1e3' }), odd)), 0);
      expect(report.written).toBe(5);
      expect(report.setAside).toEqual([
        { what: 'invoice INV-2026-000002', reason: 'total is twelve, which is no decimal number' },
        { what: 'payment payment-1', reason: 'amount is 1e3, which is no decimal number' },
      ]);
      expect(await invoices()).toMatchObject([{ id: 'invoice-1' }]);
    });
  });

  describe('with rows that cannot pass', () => {
    const good = Array.from({ length: 300 }, (_, i) => meterWindow({ meterId: `good-${String(i).padStart(3, '0')}` }));
    /** The good ones with the others at some places among them. */
    const among = (...bad: MeterWindow[]): MeterWindow[] => bad.reduce((all, one, n) => all.toSpliced(n === 0 ? 0 : n * 117, 0, one), good);

    test('sets aside what its encoding, its values, a constraint or a trigger is against, and writes the rest', async () => {
      const writer = await openWriter();
      await database().rows('ALTER TABLE aggregates_1m ADD CONSTRAINT sane CHECK (max_power_kw < 1000)');
      await database().rows("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.meter_id = 'unwanted' THEN RAISE 'we do not take this meter'; END IF; RETURN NEW; END $$");
      await database().rows('CREATE TRIGGER refusing BEFORE INSERT ON aggregates_1m FOR EACH ROW EXECUTE FUNCTION refuse()');
      const windows = among(
        meterWindow({ meterId: 'nul', region: 'a\0b' }),
        meterWindow({ meterId: 'many', count: 4_000_000_000 }),
        meterWindow({ meterId: 'endless', avgPowerKw: Infinity }),
        meterWindow({ meterId: 'strong', maxPowerKw: 5_000 }),
        meterWindow({ meterId: 'unwanted', region: 'Zürich' }),
      );
      const report = await writer.write(sinkBatch({ position: '1', windows }));
      expect(report.written).toBe(300);
      const expected = [
        { what: '1m window endless 2026-01-01T00:00:00.000Z', reason: 'avg_power_kw is Infinity' },
        { what: '1m window many 2026-01-01T00:00:00.000Z', reason: 'count is 4000000000, which an integer column cannot hold' },
        { what: '1m window nul 2026-01-01T00:00:00.000Z', reason: 'invalid byte sequence for encoding "UTF8": 0x00 (22021)' },
        { what: '1m window strong 2026-01-01T00:00:00.000Z', reason: 'new row for relation "aggregates_1m" violates check constraint "sane" (23514, sane)' },
        { what: '1m window unwanted 2026-01-01T00:00:00.000Z', reason: 'we do not take this meter (P0001)' },
      ];
      expect(report.setAside.sort((a, b) => (a.what < b.what ? -1 : 1))).toEqual(expected.map((one) => (one.what.includes('strong') ? { ...one, reason: expect.stringMatching(/violates check constraint "sane" \(23514, sane\)$/) } : one)));
      expect((await storedWindows(database())).map(({ meterId }) => meterId)).toEqual(good.map(({ meterId }) => meterId));
      const aside = await setAside();
      expect(aside.map(({ what }) => what)).toEqual(expected.map(({ what }) => what));
      expect(JSON.parse(aside[2].payload)).toEqual(windows.find(({ meterId }) => meterId === 'nul'));
      expect(JSON.parse(aside[4].payload)).toEqual(windows.find(({ meterId }) => meterId === 'unwanted'));
      expect(aside[0]).toMatchObject({ engine_id: 'engine-1', shard: 0 });
      expect(await storedCursors(database())).toEqual({ 'engine-1/0': '1' });
      // The next batch goes the short way again, over the same connection.
      expect(await writer.write(sinkBatch({ position: '2', windows: [meterWindow({ meterId: 'next' })] }))).toEqual({ written: 1, setAside: [] });
    });

    test('finds the row that only a check at the commit is against', async () => {
      const writer = await openWriter();
      await database().rows('CREATE TABLE known_regions (region text PRIMARY KEY)');
      await database().rows("INSERT INTO known_regions VALUES ('region-01')");
      await database().rows('ALTER TABLE aggregates_1m ADD FOREIGN KEY (region) REFERENCES known_regions DEFERRABLE INITIALLY DEFERRED');
      const report = await writer.write(sinkBatch({ position: '1', windows: among(meterWindow({ meterId: 'elsewhere', region: 'region-99' })) }));
      expect(report).toEqual({ written: 300, setAside: [{ what: '1m window elsewhere 2026-01-01T00:00:00.000Z', reason: expect.stringContaining('violates foreign key constraint') }] });
    });

    test('does so for every kind of row, and when it is all there is in the batch', async () => {
      const writer = await openWriter();
      const nul = 'a\0b';
      const report = await writer.write(
        sinkBatch({
          position: '1',
          windows: [meterWindow({ region: nul })],
          regionWindows: [regionWindow({ metersReporting: 0.5 }), regionWindow({ region: 'fine' })],
          anomalies: [anomaly({ score: NaN })],
          alerts: [exampleAlert({ id: 'refused', version: 1e10 }), exampleAlert({ id: 'fine', title: nul })],
          deadLetters: [deadLetter({ index: 1e10 }), deadLetter({ id: 'fine' })],
        }),
      );
      expect(report.written).toBe(3);
      expect(report.setAside.map(({ what }) => what).sort()).toEqual([
        '1m window meter-1 2026-01-01T00:00:00.000Z',
        '1m window of region region-01 2026-01-01T00:00:00.000Z',
        'alert refused',
        'anomaly meter-1/spike/1767225600000',
        'dead letter 1767225600000-1-0',
      ]);
      expect(await setAside()).toHaveLength(5);
    });

    test('goes on when every value of a large batch is refused', async () => {
      const writer = await openWriter();
      const windows = good.map((window) => ({ ...window, region: 'a\0b' }));
      expect((await writer.write(sinkBatch({ position: '1', windows }))).setAside).toHaveLength(300);
      expect(await setAside()).toHaveLength(300);
      expect(await storedCursors(database())).toEqual({ 'engine-1/0': '1' });
    });

    test('writes both, one after the other, when a window is in a batch twice', async () => {
      const writer = await openWriter();
      const report = await writer.write(sinkBatch({ position: '1', windows: among(meterWindow({ meterId: 'good-007', revision: 1 })) }));
      expect(report.setAside).toEqual([]);
      expect((await storedWindows(database())).find(({ meterId }) => meterId === 'good-007')?.revision).toBe(1);
    });

    test('does not set aside row by row what the table as a whole is against', async () => {
      const writer = await openWriter();
      await database().rows("CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed for maintenance'; END $$");
      await database().rows('CREATE TRIGGER closed BEFORE INSERT ON aggregates_1m FOR EACH ROW EXECUTE FUNCTION closed()');
      const refused = { code: 'database_refused', retryable: false, message: expect.stringMatching(/refuses every row: closed for maintenance/) };
      await expect(writer.write(sinkBatch({ position: '1', windows: good }))).rejects.toMatchObject(refused);
      expect([await setAside(), await storedWindows(database()), await storedCursors(database())]).toEqual([[], [], {}]);
      await database().rows('DROP TRIGGER closed ON aggregates_1m');
      expect((await writer.write(sinkBatch({ position: '1', windows: good }))).written).toBe(300);
    });

    test('does not take a missing table or a missing right for a bad row', async () => {
      const writer = await openWriter();
      await database().rows('ALTER TABLE anomalies RENAME TO mislaid');
      const batch = sinkBatch({ position: '1', windows: [meterWindow({})], anomalies: [anomaly({})] });
      await expect(writer.write(batch)).rejects.toMatchObject({ code: 'schema_missing', retryable: false, message: expect.stringMatching(/"anomalies" does not exist; restore/) });
      expect([await setAside(), await storedWindows(database()), await storedCursors(database())]).toEqual([[], [], {}]);
      await database().rows('ALTER TABLE mislaid RENAME TO anomalies');
      expect((await writer.write(batch)).written).toBe(2);
    });
  });

  test('sets aside what the encoding of the database has no letters for', async () => {
    const latin = await freshDatabase(postgres().url, 'LATIN1');
    try {
      const writer = timescaleWriter({ url: latin.url, engineId: 'engine-é電', slots: 1, log: nullLog });
      await expect(writer.open()).rejects.toMatchObject({ code: 'database_refused' });
      const plain = await openWriter({ url: latin.url });
      const report = await plain.write(sinkBatch({ position: '1', windows: [meterWindow({ meterId: 'a', region: 'Zürich' }), meterWindow({ meterId: 'b', region: '電' })] }));
      expect(report).toEqual({ written: 1, setAside: [{ what: '1m window b 2026-01-01T00:00:00.000Z', reason: expect.stringMatching(/has no equivalent in encoding "LATIN1" \(22P05\)/) }] });
      const [{ payload }] = await latin.rows<{ payload: string }>('SELECT payload FROM sink_set_aside');
      expect(JSON.parse(payload)).toMatchObject({ meterId: 'b', region: '電' });
      await plain.close();
    } finally {
      await latin.drop();
    }
  });

  test('leaves a batch alone that another session of the engine has gone beyond', async () => {
    const lost = await openWriter();
    const writer = await openWriter();
    await writer.write(sinkBatch({ position: '1' }));
    await writer.write(sinkBatch({ position: '2', windows: [meterWindow({ revision: 2 })], regionWindows: [regionWindow({ metersReporting: 9 })] }));
    // It still thinks that the shard has no cursor at all.
    const stale = sinkBatch({ position: '1', regionWindows: [regionWindow({ metersReporting: 1 })] });
    await expect(lost.write(stale)).rejects.toMatchObject({ code: 'cursor_moved', retryable: true });
    expect(await database().rows('SELECT meters_reporting FROM regional_aggregates_1m')).toEqual([{ meters_reporting: 9 }]);
    // Asking again mends it.
    expect((await lost.open())(0)).toBe('2');
    expect((await lost.write(sinkBatch({ position: '3' }))).written).toBe(0);
  });

  test('lets the higher revision of a regional window win where several engines write, and the later window where one does', async () => {
    const writer = await openWriter();
    const stored = async () => (await database().rows<{ meters_reporting: number; revision: string | null }>('SELECT meters_reporting, revision FROM regional_aggregates_1m')).map((row) => [row.meters_reporting, row.revision]);
    let position = 0;
    const write = (metersReporting: number, revision: number | null) => writer.write(sinkBatch({ position: String(++position), regionWindows: [{ ...regionWindow({ metersReporting }), revision }] }));
    await write(1, null);
    await write(2, null);
    expect(await stored()).toEqual([[2, null]]);
    await write(3, 2 ** 40);
    expect((await write(4, 2 ** 40 - 1)).written).toBe(0);
    expect((await write(5, 2 ** 40)).written).toBe(0);
    expect(await stored()).toEqual([[3, String(2 ** 40)]]);
    await write(6, 2 ** 40 + 1);
    expect(await stored()).toEqual([[6, String(2 ** 40 + 1)]]);
  });

  test('of engines that share a log go on with each other\'s cursors, over connections that all shards share', async () => {
    const shared = { engineId: 'kafka-1/seg_state', slots: 1, isShared: true };
    const [first, second] = [await openWriter(shared), await openWriter(shared)];
    for (const shard of [3, 70]) await first.write(sinkBatch({ shard, position: '1' }), 0);
    await expect(second.write(sinkBatch({ shard: 70, position: 'other' }), 0)).rejects.toMatchObject({ code: 'cursor_moved', retryable: true, message: expect.stringMatching(/the cursor of partition 70 .* was moved by the engine that has the partition too/) });
    expect((await second.open())(70)).toBe('1');
    await second.write(sinkBatch({ shard: 70, position: '2' }), 0);
    await expect(first.write(sinkBatch({ shard: 70, position: 'stale' }), 0)).rejects.toMatchObject({ code: 'cursor_moved' });
    expect(await storedCursors(database())).toEqual({ 'kafka-1/seg_state/3': '1', 'kafka-1/seg_state/70': '2' });
  });

  test('does not let two sessions write the same first batch', async () => {
    const [one, other] = [await openWriter(), await openWriter()];
    const batch = { position: '1', windows: [meterWindow({})] };
    const reports = await Promise.all([one, other].map((writer) => writer.write(sinkBatch(batch))));
    expect(reports.map(({ written }) => written).sort()).toEqual([0, 1]);
  });

  test('is opened again between batches, and not during one', async () => {
    const writer = await openWriter();
    const writing = writer.write(sinkBatch({ shard: 1, position: '1', windows: [meterWindow({})] }));
    await expect(writer.open()).rejects.toThrow('when nothing is being written');
    await writing;
    const positions = await writer.open();
    expect([positions(0), positions(1)]).toEqual([BEGINNING, '1']);
    await writer.write(sinkBatch({ shard: 1, position: '2' }));
    expect(await storedCursors(database())).toEqual({ 'engine-1/1': '2' });
  });

  test('has no room for a shard beyond those it was made for', async () => {
    const writer = await openWriter();
    await expect(writer.write(sinkBatch({ shard: 2 }))).rejects.toThrow('slot 2 is one of 2');
  });

  test('writes 20,000 windows of two shards side by side', async () => {
    const writer = await openWriter();
    const of = (shard: number): MeterWindow[] => Array.from({ length: 10_000 }, (_, i) => meterWindow({ meterId: `meter-${shard}-${i % 1_000}`, windowStart: START + Math.floor(i / 1_000) * MINUTE }));
    const reports = await Promise.all([0, 1].map((shard) => writer.write(sinkBatch({ shard, position: '1', windows: of(shard) }))));
    expect(reports.map(({ written }) => written)).toEqual([10_000, 10_000]);
    expect(await storedWindows(database())).toEqual(byMeterAndTime([0, 1].flatMap(of)));
  });

  test('leaves no session open in a transaction, and says who it is', async () => {
    const writer = await openWriter();
    await database().rows('ALTER TABLE anomalies RENAME TO mislaid');
    await writer.write(sinkBatch({ shard: 0, position: '1' }));
    await expect(writer.write(sinkBatch({ shard: 1, position: '1', anomalies: [anomaly({})] }))).rejects.toThrow();
    const sessions = (): Promise<{ application_name: string; state: string }[]> =>
      database().rows("SELECT application_name, state FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'seg%'");
    await expect.poll(sessions).toEqual([{ application_name: 'seg sink: shard 0 of engine-1', state: 'idle' }]);
    await writer.close();
    await expect.poll(sessions).toEqual([]);
  });

  describe('without the rights', () => {
    const user = `seg_user_${process.pid}`;
    let limited: string;

    beforeAll(async () => {
      const admin = await freshDatabase(postgres().url);
      await admin.rows(`CREATE ROLE ${user} LOGIN PASSWORD 'geheim'`);
      await admin.drop();
    });

    afterAll(async () => {
      const admin = await freshDatabase(postgres().url);
      await admin.rows(`DROP ROLE ${user}`);
      await admin.drop();
    });

    beforeEach(() => {
      const url = new URL(database().url);
      url.username = user;
      url.password = 'geheim';
      limited = url.href;
    });

    afterEach(async () => {
      await database().rows(`DROP OWNED BY ${user}`);
      await database().rows(`ALTER ROLE ${user} CONNECTION LIMIT -1`);
    });

    test.each<[wrong: string, change: (url: URL) => void, expected: object]>([
      ['a wrong password', (url: URL) => (url.password = 'geheimer'), { code: 'access_denied', retryable: false, message: expect.stringMatching(/check user and password/) }],
      ['no password', (url: URL) => (url.password = ''), { code: 'access_denied', retryable: false, message: expect.stringMatching(/wants a password/) }],
      ['no such database', (url: URL) => (url.pathname = '/nowhere'), { code: 'no_such_database', retryable: false, message: expect.stringMatching(/nowhere.*create it/) }],
      ['nobody at the port', (url: URL) => (url.port = '1'), { code: 'unavailable', retryable: true, message: expect.stringMatching(/127\.0\.0\.1:1\/.* is away/) }],
    ])('says what is wrong, but not the password: %s', async (_, change, expected) => {
      const url = new URL(limited);
      change(url);
      const error = (await newWriter({ url: url.href }).open().catch((thrown: unknown) => thrown)) as Error;
      expect(error).toMatchObject(expected);
      expect(`${error.message}${error.stack}${JSON.stringify(error)}${JSON.stringify(error.cause)}`).not.toMatch(/geheim/);
    });

    test('says which rights are missing, first to prepare and then to write', async () => {
      await database().rows('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
      await expect(newWriter({ url: limited }).open()).rejects.toMatchObject({ code: 'access_denied', retryable: false, message: expect.stringMatching(/permission denied for schema public; the user needs CREATE/) });
      await openWriter();
      await database().rows(`GRANT SELECT ON sink_migrations, sink_cursors TO ${user}`);
      const writer = await openWriter({ url: limited });
      const batch = sinkBatch({ position: '1', windows: [meterWindow({})] });
      await expect(writer.write(batch)).rejects.toMatchObject({ code: 'access_denied', retryable: false, message: expect.stringMatching(/INSERT, UPDATE on the tables/) });
      await database().rows(`GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO ${user}`);
      expect((await writer.write(batch)).written).toBe(1);
    });

    test('waits when the database has no connection left', async () => {
      await database().rows(`ALTER ROLE ${user} CONNECTION LIMIT 0`);
      await expect(newWriter({ url: limited }).open()).rejects.toMatchObject({ code: 'unavailable', retryable: true, message: expect.stringMatching(/too many connections/) });
    });
  });
});
