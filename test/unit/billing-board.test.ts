import { describe, expect, test } from 'vitest';
import { BillingBoard } from '../../src/engine/billing-board.ts';
import { BILLS_RECENT_MAX } from '../../src/http/live-protocol.ts';
import { disputeEvent, exampleDispute, exampleInvoice, examplePayment, examplePrice, invoiceEvent, paymentEvent, priceEvent } from '../support/example-bills.ts';

const numbered = (number: number, version = 1) => exampleInvoice({ id: `i${number}`, version });

describe('the board of prices and bills', () => {
  test('has the newest price of each region, in order of name', () => {
    const board = new BillingBoard();
    const told: string[] = [];
    const stop = board.onPrices((changed) => told.push(changed.map(({ region, price }) => `${region} ${price}`).join()));
    board.seedPrices([examplePrice({ region: 'south' })]);
    board.note([priceEvent(examplePrice({ region: 'north', price: '0.20' })), invoiceEvent(numbered(1)), priceEvent(examplePrice({ region: 'north', price: '0.22' }))]);
    stop();
    board.note([priceEvent(examplePrice({ region: 'south', price: '0.30' }))]);
    expect(board.currentPrices().map(({ region, price }) => `${region} ${price}`)).toEqual(['north 0.22', 'south 0.30']);
    expect(told).toEqual(['south 0.25', 'north 0.20,north 0.22']);
  });

  test('has what changed last first, each as it is now', () => {
    const board = new BillingBoard();
    const told: unknown[] = [];
    board.onBills(({ invoices, payments, disputes }) => told.push([invoices, payments, disputes].map((items) => items.map(({ id }) => id))));
    board.seedInvoices([numbered(3), numbered(2), numbered(1)]);
    board.note([paymentEvent(examplePayment(), numbered(1)), invoiceEvent(numbered(1, 2)), disputeEvent(exampleDispute())]);
    const { invoices, payments, disputes } = board.recentBills();
    expect(invoices.map(({ id, version }) => [id, version])).toEqual([['i1', 2], ['i3', 1], ['i2', 1]]);
    expect([payments.map(({ id }) => id), disputes.map(({ id }) => id)]).toEqual([['payment-1'], ['dispute-1']]);
    expect(told).toEqual([[['i1', 'i2', 'i3'], [], []], [['i1'], ['payment-1'], ['dispute-1']]]);
  });

  test('tells nobody of nothing', () => {
    const board = new BillingBoard();
    board.onBills(() => expect.unreachable());
    board.onPrices(() => expect.unreachable());
    board.note([]);
    board.seedPrices([]);
    board.seedInvoices([]);
  });

  test('keeps the newest of very many', () => {
    const board = new BillingBoard();
    for (let i = 0; i < 3 * BILLS_RECENT_MAX; i++) board.note([invoiceEvent(numbered(i))]);
    const { invoices } = board.recentBills();
    expect([invoices.length, invoices[0].id, invoices.at(-1)!.id]).toEqual([BILLS_RECENT_MAX, `i${3 * BILLS_RECENT_MAX - 1}`, `i${2 * BILLS_RECENT_MAX}`]);
  });
});
