import { availableParallelism } from 'node:os';
import { InvoicePrinter } from '../../src/engine/invoice-printer.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { exampleInvoice, exampleLines, EXAMPLE_ISSUER, HOME_LINES } from '../../test/support/example-invoices.ts';
import type { Invoice } from '../../src/model/billing.ts';
import { hashOf, quantileOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';

/** Bills printed by the printer's own threads, as the engine prints them. */

export interface InvoicesOptions {
  invoicesPerRound: number;
  rounds: number;
}

export const INVOICES_FULL: InvoicesOptions = { invoicesPerRound: 500, rounds: 5 };

const MINUTE_MS = 60_000;
/** Asked for at once, as a mail run would; the printer takes more. */
const AT_ONCE = 8;
const THREADS = Math.min(2, availableParallelism());

export async function run(options: InvoicesOptions = INVOICES_FULL): Promise<BenchReport> {
  const printer = new InvoicePrinter({ issuer: EXAMPLE_ISSUER, threads: THREADS }, { timers: systemTimers });
  try {
    const begunMs = performance.now();
    const first = await printer.print(exampleInvoice(), { language: 'en' });
    const rows: BenchRow[] = [
      rowOf('the first invoice, with the start of the threads', 'ms', [performance.now() - begunMs], `${(first.length / 1_024).toFixed(0)} KB`, hashOf(first.join())),
      await printRow(printer, 'invoices of 9 lines, 2 pages', options, (i) => exampleInvoice({ number: numberOf(i), customer: { ...exampleInvoice().customer, name: `Customer ${i}` } })),
      await printRow(printer, 'invoices of 90 lines, 4 pages', options, (i) => exampleInvoice({ number: numberOf(i), lines: exampleLines(Array.from({ length: 90 }, (_, k) => ({ ...HOME_LINES[k % 8], text: `${HOME_LINES[k % 8].text} ${k}` }))) })),
    ];
    return { name: 'micro: invoices', leavesOut: 'rating, the store, HTTP.', rows };
  } finally {
    await printer.close();
  }
}

async function printRow(printer: InvoicePrinter, name: string, { invoicesPerRound, rounds }: InvoicesOptions, invoiceOf: (i: number) => Invoice): Promise<BenchRow> {
  const rates: number[] = [];
  const latencies = new Float64Array(invoicesPerRound * rounds);
  let bytes = 0;
  /** Of an invoice, all threads together, in the last round. */
  let cpuMs = 0;
  let last: Uint8Array = new Uint8Array();
  for (let round = -1; round < rounds; round++) {
    const cpu = process.cpuUsage();
    const begunMs = performance.now();
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < invoicesPerRound) {
          const i = next++;
          const askedMs = performance.now();
          const pdf = await printer.print(invoiceOf(i), { language: i % 2 === 0 ? 'en' : 'de' });
          if (i === 0) last = pdf.slice();
          if (round < 0) continue;
          latencies[round * invoicesPerRound + i] = performance.now() - askedMs;
          bytes += pdf.length;
        }
      }),
    );
    const tookMs = performance.now() - begunMs;
    if (round >= 0) rates.push((invoicesPerRound * MINUTE_MS) / tookMs);
    const { user, system } = process.cpuUsage(cpu);
    cpuMs = (user + system) / 1_000 / invoicesPerRound;
  }
  const note = `${THREADS} threads, ${AT_ONCE} at once, p99 ${quantileOf(latencies, 0.99).toFixed(0)} ms, ${cpuMs.toFixed(1)} ms of processor time and ${(bytes / latencies.length / 1_024).toFixed(0)} KB each`;
  return rowOf(name, 'invoices/min', rates, note, hashOf(last.join()));
}

function numberOf(i: number): string {
  return `INV-2026-${String(i + 1).padStart(6, '0')}`;
}
