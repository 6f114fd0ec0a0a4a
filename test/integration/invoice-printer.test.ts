import { afterEach, describe, expect, test } from 'vitest';
import { InvoicePrinter, PRINTS_WAITING_MAX } from '../../src/engine/invoice-printer.ts';
import { invoicePdf } from '../../src/actors/tariffs/papers/invoice-pdf.ts';
import { loadPaperFonts } from '../../src/actors/tariffs/papers/paper-fonts.ts';
import { systemTimers, type Timers } from '../../src/runtime/clock.ts';
import { exampleInvoice, EXAMPLE_ISSUER } from '../support/example-invoices.ts';

/** Invoices printed by real threads. */

let printer: InvoicePrinter;
afterEach(() => printer.close());

function printerWith(timers: Timers = systemTimers): InvoicePrinter {
  printer = new InvoicePrinter({ issuer: EXAMPLE_ISSUER, threads: 2 }, { timers });
  return printer;
}

describe('the invoice printer', () => {
  test('prints what the papers draw, in bytes that are the caller\'s own', async () => {
    const invoice = exampleInvoice();
    const [en, de] = await Promise.all([printerWith().print(invoice, { language: 'en' }), printer.print(invoice, { language: 'de' })]);
    expect(en.byteLength).toBe(en.buffer.byteLength);
    const fonts = loadPaperFonts();
    expect(Buffer.from(en).equals(await invoicePdf(invoice, { language: 'en', issuer: EXAMPLE_ISSUER, fonts }))).toBe(true);
    expect(Buffer.from(de).equals(await invoicePdf(invoice, { language: 'de', issuer: EXAMPLE_ISSUER, fonts }))).toBe(true);
  });

  test('has threads from the first invoice until nothing was printed for a while, and again from the next', async () => {
    const due: (() => void)[] = [];
    printerWith({ ...systemTimers, after: (_, fn) => (due.push(fn), { cancel: () => void due.splice(due.indexOf(fn), 1) }) });
    expect(printer.isRunning()).toBe(false);
    await printer.print(exampleInvoice(), { language: 'en' });
    expect(printer.isRunning()).toBe(true);
    expect(due).toHaveLength(1);
    const printing = printer.print(exampleInvoice(), { language: 'en' });
    expect(due).toHaveLength(0);
    await printing;
    due[0]();
    expect(printer.isRunning()).toBe(false);
    expect((await printer.print(exampleInvoice(), { language: 'en' })).length).toBeGreaterThan(10_000);
  });

  test('takes no more than it can print soon', async () => {
    printerWith();
    const all = await Promise.allSettled(Array.from({ length: PRINTS_WAITING_MAX + 3 }, () => printer.print(exampleInvoice({ lines: [], dailyKwh: [] }), { language: 'en' })));
    const refused = all.filter((print) => print.status === 'rejected');
    expect(refused).toHaveLength(3);
    for (const { reason } of refused) expect(reason).toMatchObject({ name: 'OperationalError', code: 'printer_busy', retryable: true });
  });

  test('an invoice that cannot be printed fails alone', async () => {
    printerWith();
    const broken = printer.print(exampleInvoice({ lines: null as never }), { language: 'en' });
    const whole = printer.print(exampleInvoice(), { language: 'en' });
    await expect(broken).rejects.toMatchObject({ code: 'printer_failed', retryable: false, message: expect.stringContaining('INV-2026-000042') });
    expect((await whole).length).toBeGreaterThan(10_000);
  });

  test('prints nothing once it is closed, and what was being printed fails', async () => {
    printerWith();
    const printing = printer.print(exampleInvoice(), { language: 'en' });
    const failed = expect(printing).rejects.toMatchObject({ code: 'printer_closed', retryable: true });
    await printer.close();
    await failed;
    await expect(printer.print(exampleInvoice(), { language: 'en' })).rejects.toMatchObject({ code: 'printer_closed' });
  });
});
