import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { batchMessages, newTraceparent, type TopicMessages } from '../../src/actors/sinks/kafka/batch-messages.ts';
import type { MessageFormat } from '../../src/actors/sinks/kafka/kafka-options.ts';
import { ValueEncoder } from '../../src/actors/sinks/kafka/message-values.ts';
import type { SinkBatch } from '../../src/actors/sinks/protocol.ts';
import { alertShape } from '../../src/http/alert-shapes.ts';
import { disputeShape, invoiceShape, paymentShape, priceShape } from '../../src/http/billing-shapes.ts';
import { anomalyShape, deadLetterShape, windowShape } from '../../src/http/wire-shapes.ts';
import { partitionOf } from '../../src/model/ids.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { disputeEvent, exampleDispute, exampleInvoice, examplePayment, examplePrice, invoiceEvent, paymentEvent, priceEvent } from '../support/example-bills.ts';
import { aMeterWindow, meterWindow } from '../support/meter-windows.ts';
import { anomaly, deadLetter, regionWindow, sinkBatch, withoutFinal } from '../support/sink-batches.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function messagesOf(batch: SinkBatch, format: MessageFormat = 'json'): TopicMessages[] {
  return batchMessages(batch, { format, engineId: 'engine-1', traceparent: TRACEPARENT }, new ValueEncoder(format));
}

/** Values by topic and key. */
function valuesOf(batch: SinkBatch, format: MessageFormat = 'json'): Record<string, Record<string, unknown>> {
  const read = (value: string | Buffer): unknown => (typeof value === 'string' ? JSON.parse(value) : unpack(value));
  return Object.fromEntries(messagesOf(batch, format).map(({ topic, messages }) => [topic, Object.fromEntries(messages.map(({ key, value }) => [key, read(value)]))]));
}

describe('messages for Kafka', () => {
  const minute = meterWindow({ meterId: 'meter-1', voltageAvg: 231.5, voltageMin: 229, voltageMax: 234 });
  const quarter = meterWindow({ meterId: 'meter-1', granularity: '15m', revision: 2, energySource: 'estimated' });
  const region = regionWindow({ region: 'north', capacityKw: 20, loadPercent: 18.75 });
  const regionQuarter = regionWindow({ region: 'north', granularity: '15m', final: false });
  const open = anomaly({ id: 'meter-1/spike/1' });
  const outage = anomaly({ id: 'meter-2/outage/2', kind: 'outage', endedAt: 1_767_225_660_000, endReason: 'recovered' });
  const letter = deadLetter({ id: '5-1-0', raw: '{"meterId":"grün"}' });
  const raised = exampleAlert({ id: 'a-1' });
  const over = exampleAlert({ id: 'a-2', version: 4, state: 'resolved', acknowledged: { at: 1_767_225_661_000, by: 'ada', why: null }, resolved: { at: 1_767_225_662_000, by: null, why: 'it is over' }, suppression: { by: 'silence', id: 's-1' } });
  const price = examplePrice();
  const invoice = exampleInvoice({ paid: '20.00', outstanding: '19.55', version: 2 });
  const draft = exampleInvoice({ id: 'invoice-2', number: null, state: 'draft', issuedAt: null, dueDate: null, parts: [{ ...invoice.parts[0], peakKw: null, peakAt: null }] });
  const payment = examplePayment();
  const disputes = [exampleDispute(), exampleDispute({ id: 'dispute-2', resolvedAt: 1_767_225_661_000, resolvedBy: 'Ben', outcome: 'rejected', resolution: 'it is' })];
  const billing = [priceEvent(price), invoiceEvent(invoice), invoiceEvent(draft), paymentEvent(payment, invoice), ...disputes.map(disputeEvent)];
  const batch = sinkBatch({ windows: [minute, quarter], regionWindows: [region, regionQuarter], anomalies: [open, outage], alerts: [raised, over], deadLetters: [letter], billing });
  const shown = {
    aggregates_1m: { 'meter-1': windowShape(minute) },
    aggregates_15m: { 'meter-1': windowShape(quarter) },
    aggregates_1m_regional: { north: withoutFinal(windowShape(region)) },
    aggregates_15m_regional: { north: withoutFinal(windowShape(regionQuarter)) },
    anomalies: { 'meter-1/spike/1': { type: 'ANOMALY', ...anomalyShape(open) }, 'meter-2/outage/2': { type: 'METER_OUTAGE', ...anomalyShape(outage) } },
    alerts: { 'a-1': alertShape(raised), 'a-2': alertShape(over) },
    dead_letter: { '5-1-0': deadLetterShape(letter) },
    tariff_updates: { north: priceShape(price) },
    billing_updates: { 'invoice-1': invoiceShape(invoice), 'invoice-2': invoiceShape(draft) },
    payment_updates: { 'payment-1': { ...paymentShape(payment), invoice: { number: 'INV-2026-000001', state: 'issued', currency: 'GBP', total: '39.55', paid: '20.00', outstanding: '19.55' } } },
    dispute_updates: { 'dispute-1': disputeShape(disputes[0]), 'dispute-2': disputeShape(disputes[1]) },
  };

  test('of regional windows carry a revision where several engines send them', () => {
    expect(valuesOf(sinkBatch({ regionWindows: [{ ...regionWindow({ region: 'north' }), revision: 7 }] }))).toMatchObject({ aggregates_1m_regional: { north: { region: 'north', revision: 7 } } });
  });

  test('show what the REST API shows (whether a regional window is final, only the clock can say), each thing on its topic under its key', () => {
    expect(valuesOf(batch)).toEqual(shown);
  });

  test('say the same in MessagePack', () => {
    expect(valuesOf(batch, 'msgpack')).toEqual(shown);
  });

  test('hold any window', () => {
    fc.assert(
      fc.property(aMeterWindow, fc.constantFrom('json' as const, 'msgpack' as const), (window, format) => {
        // JSON knows no negative zero.
        const same = JSON.parse(JSON.stringify(windowShape(window)));
        const values = valuesOf(sinkBatch({ windows: [window] }), format);
        expect(JSON.parse(JSON.stringify(values))).toEqual({ [`aggregates_${window.granularity}`]: { [window.meterId]: same } });
      }),
    );
  });

  test('carry schema, content type, trace context and engine in their headers', () => {
    const headersOf = (format: MessageFormat): Record<string, object> =>
      Object.fromEntries(messagesOf(batch, format).map(({ topic, messages }) => [topic, Object.fromEntries(Object.entries(messages[0].headers).map(([name, value]) => [name, value.toString()]))]));
    expect(headersOf('json').aggregates_1m).toEqual({ schema: 'meter-window/1', contentType: 'application/json', traceparent: TRACEPARENT, engine: 'engine-1' });
    expect(headersOf('msgpack').dead_letter).toEqual({ schema: 'dead-letter/1', contentType: 'application/msgpack', traceparent: TRACEPARENT, engine: 'engine-1' });
    expect(Object.values(headersOf('json')).map((headers) => (headers as { schema: string }).schema)).toEqual(['meter-window/1', 'meter-window/1', 'region-window/2', 'region-window/2', 'anomaly/1', 'alert/2', 'dead-letter/1', 'dynamic-price/1', 'invoice/1', 'payment/1', 'dispute/1']);
  });

  test('are named in words', () => {
    expect(messagesOf(batch).map((list) => list.describe(0))).toEqual([
      '1m window of meter meter-1 from 2026-01-01T00:00:00.000Z',
      '15m window of meter meter-1 from 2026-01-01T00:00:00.000Z',
      '1m window of region north from 2026-01-01T00:00:00.000Z',
      '15m window of region north from 2026-01-01T00:00:00.000Z',
      'anomaly meter-1/spike/1',
      'alert a-1',
      'dead letter 5-1-0',
      'price of region north',
      'invoice invoice-1',
      'payment payment-1',
      'dispute dispute-1',
    ]);
  });

  test('are none for a batch without anything', () => {
    expect(messagesOf(sinkBatch({}))).toEqual([]);
  });

  test('keep the order of their batch', () => {
    const windows = [3, 1, 2].map((minutes) => meterWindow({ windowStart: minutes * 60_000 }));
    const [{ messages }] = messagesOf(sinkBatch({ windows }));
    expect(messages.map(({ value }) => (JSON.parse(value as string) as { windowStart: string }).windowStart.slice(14, 16))).toEqual(['03', '01', '02']);
  });
});

describe('a trace context', () => {
  test('is one of W3C', () => {
    expect(newTraceparent((bytes) => Buffer.alloc(bytes, 0xab))).toBe(`00-${'ab'.repeat(16)}-${'ab'.repeat(8)}-01`);
  });

  test('has no id of zeros alone, which would be invalid', () => {
    expect(newTraceparent((bytes) => Buffer.alloc(bytes))).toBe(`00-${'0'.repeat(31)}1-${'0'.repeat(15)}1-01`);
  });
});

describe("the engine's partition of a key", () => {
  test("is that of kafkajs' partitioner, which is Java's", () => {
    const theirs = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9._:-]{1,64}$/), fc.integer({ min: 1, max: 300 }), (key, count) => {
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 1, replicas: [1], isr: [1] }));
        expect(partitionOf(key, count)).toBe(theirs({ topic: 't', partitionMetadata, message: { key, value: '' } }));
      }),
    );
  });
});
