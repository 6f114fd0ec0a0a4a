import { InvalidArgumentError, Option, type Command } from 'commander';
import { INVOICE_CSV_HEAD, invoiceCsvRows } from '../../actors/tariffs/papers/invoice-csv.ts';
import { PAPER_LANGUAGES, type PaperLanguage } from '../../actors/tariffs/papers/paper-words.ts';
import { plainLine } from '../../actors/notifications/templates/plain-line.ts';
import { INVOICE_STATES, type Invoice, type InvoiceState, type Payment } from '../../model/billing.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { ApiClient } from '../api-client.ts';
import { EXIT, EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../command-end.ts';
import { addBy, addUrl, byName, toStdout, withApi, writeOut, type Print } from '../engine-command.ts';
import { parseInstantMs, wholeNumber } from '../option-values.ts';
import { runMonth } from './bill-run.ts';
import { explanationText, invoiceTable, invoiceText, type WireExplanation, type WireInvoice, type WireInvoiceSummary } from './bill-text.ts';

const INVOICES = '/api/v1/invoices';
const LIST_PAGE = 500;
/** With their lines; the API's most. */
const EXPORT_PAGE = 200;
const LIST_MAX = 100_000;

const HELP = `
Examples:
  seg bill run 2026-07
  seg bill list --state overdue
  seg bill show INV-2026-000042
  seg bill explain INV-2026-000042
  seg bill pdf INV-2026-000042 --language de --out july.pdf
  seg bill pay INV-2026-000042 121.40 --reference RF54INV2026000042
  seg bill export --run run-2026-07 --out july.csv
${EXIT_CODES_HELP} A run in which somebody could not be billed, and an invoice that does not agree with its intervals, are failures.`;

interface Filters {
  meter?: string;
  region?: string;
  agreement?: string;
  state?: InvoiceState;
  run?: string;
}

/** Adds `seg bill`. */
export function registerBill(program: Command): void {
  const bill = endUsageFaultsWith2(program.command('bill')).description('make, look at, explain and print bills, by way of a running engine').addHelpText('after', HELP);
  addBy(addUrl(bill.command('run')))
    .argument('<month>', 'such as 2026-07; it has to be over', parseMonth)
    .description('bill everybody for a month; a run that was stopped goes on where it was, and nobody is billed twice')
    .option('--no-watch', 'start it and do not wait for its end')
    .action((month: string, flags: { url: string; by?: string; watch: boolean }) =>
      runToEnd((signal) => withApi(flags, signal, async (api) => failUnless(await runMonth(api, { month, by: byName(flags.by), isWatched: flags.watch }, toStdout, { clock: systemClock, progress: process.stderr, signal })))),
    );
  addFilters(addUrl(bill.command('list')))
    .description('list invoices and credit notes')
    .option('--limit <n>', 'at most so many', wholeNumber(1, LIST_MAX), 100)
    .action((flags: Filters & { url: string; limit: number }) => runToEnd((signal) => withApi(flags, signal, (api) => listInvoices(api, flags, toStdout))));
  addInvoice(bill.command('show'))
    .description('show an invoice with its lines')
    .option('--json', 'as the API has it')
    .action((invoice: string, flags: { url: string; json?: true }) => runToEnd((signal) => withApi(flags, signal, (api) => showInvoice(api, invoice, flags, toStdout))));
  addInvoice(bill.command('explain'))
    .description('compute an invoice anew from its intervals, line by line, and say whether it agrees to the last unit')
    .action((invoice: string, flags: { url: string }) => runToEnd((signal) => withApi(flags, signal, async (api) => failUnless(await explainInvoice(api, invoice, toStdout)))));
  addInvoice(bill.command('pdf'))
    .description('print an invoice')
    .addOption(new Option('--language <language>', 'of what is printed').choices(PAPER_LANGUAGES).default('en'))
    .option('--out <file>', 'the file (default: the name of the invoice, with .pdf)')
    .action((invoice: string, flags: { url: string; language: PaperLanguage; out?: string }) => runToEnd((signal) => withApi(flags, signal, (api) => printInvoice(api, invoice, flags, toStdout))));
  addBy(addInvoice(bill.command('pay')))
    .argument('<amount>', 'such as 121.40')
    .description('book a payment; the same reference again changes nothing')
    .requiredOption('--reference <text>', "the payer's or the bank's: by it a payment counts once")
    .option('--method <name>', 'how it came', 'bank')
    .option('--received <time>', 'when it came (default: now)', parseInstantMs)
    .action((invoice: string, amount: string, flags: PayFlags & { url: string; by?: string }) => runToEnd((signal) => withApi(flags, signal, (api) => payInvoice(api, invoice, amount, { ...flags, by: byName(flags.by) }, toStdout))));
  addFilters(addUrl(bill.command('export')))
    .description('write invoices with all their lines to a file')
    .addOption(new Option('--format <format>', 'of the file').choices(['csv', 'ndjson']).default('csv'))
    .requiredOption('--out <file>', 'the file')
    .action((flags: Filters & { url: string; format: 'csv' | 'ndjson'; out: string }) => runToEnd((signal) => withApi(flags, signal, (api) => exportInvoices(api, flags, toStdout))));
}

export async function listInvoices(api: ApiClient, { limit, ...filters }: Filters & { limit: number }, print: Print): Promise<void> {
  const invoices: WireInvoiceSummary[] = [];
  let isMore = false;
  for await (const { data, nextCursor } of api.pages(INVOICES, { ...filterQuery(filters), limit: String(Math.min(limit, LIST_PAGE)) })) {
    invoices.push(...(data as unknown as WireInvoiceSummary[]).slice(0, limit - invoices.length));
    isMore = nextCursor !== null;
    if (invoices.length >= limit) break;
  }
  if (invoices.length === 0) return print('there are no such invoices\n');
  print(`${invoiceTable(invoices)}${isMore ? `and more; --limit shows them\n` : ''}`);
}

export async function showInvoice(api: ApiClient, id: string, { json = false }: { json?: boolean }, print: Print): Promise<void> {
  const invoice = await api.document(invoicePath(id));
  print(json ? `${JSON.stringify(invoice, null, 2)}\n` : invoiceText(invoice as unknown as WireInvoice));
}

/** True when it agrees. */
export async function explainInvoice(api: ApiClient, id: string, print: Print): Promise<boolean> {
  const explanation = (await api.document(`${invoicePath(id)}/explain`)) as unknown as WireExplanation;
  print(explanationText(explanation));
  return explanation.agrees;
}

export async function printInvoice(api: ApiClient, id: string, { language, out }: { language: PaperLanguage; out?: string }, print: Print): Promise<void> {
  const pdf = await api.file(`${invoicePath(id)}/pdf`, { language });
  const path = out ?? `${id.replace(/[^A-Za-z0-9._-]/g, '_')}.pdf`;
  await writeOut(path, pdf);
  print(`written to ${path}\n`);
}

interface PayFlags {
  reference: string;
  method: string;
  received?: number;
}

export async function payInvoice(api: ApiClient, id: string, amount: string, { reference, method, received, by }: PayFlags & { by: string }, print: Print): Promise<void> {
  const body = { amount, method, reference, by, ...(received === undefined ? {} : { receivedAt: received }) };
  const { payment, invoice } = (await api.post(`${invoicePath(id)}/payments`, body)) as unknown as { payment: Payment; invoice: WireInvoice };
  print(plainLine(`${payment.amount} ${invoice.currency} booked on ${invoice.number} (${payment.id}); it is ${invoice.state}, ${invoice.outstanding} ${invoice.currency} to pay`) + '\n');
}

export async function exportInvoices(api: ApiClient, { format, out, ...filters }: Filters & { format: 'csv' | 'ndjson'; out: string }, print: Print): Promise<void> {
  const texts: string[] = format === 'csv' ? [INVOICE_CSV_HEAD] : [];
  let count = 0;
  for await (const { data } of api.pages(`${INVOICES}/export`, { ...filterQuery(filters), limit: String(EXPORT_PAGE) })) {
    for (const invoice of data as unknown as WireInvoice[]) texts.push(format === 'csv' ? invoiceCsvRows(fromWire(invoice)) : `${JSON.stringify(invoice)}\n`);
    count += data.length;
  }
  await writeOut(out, texts.join(''));
  print(`${count} ${count === 1 ? 'invoice' : 'invoices'} written to ${out}\n`);
}

function fromWire(invoice: WireInvoice): Invoice {
  const msOf = (time: string | null) => (time === null ? null : Date.parse(time));
  return { ...invoice, issuedAt: msOf(invoice.issuedAt), parts: invoice.parts.map((part) => ({ ...part, peakAt: msOf(part.peakAt) })) };
}

function filterQuery({ meter, region, agreement, state, run }: Filters): Record<string, string> {
  return Object.fromEntries(Object.entries({ meterId: meter, region, agreement, state, run }).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function addFilters(command: Command): Command {
  return command
    .option('--meter <id>', 'of one meter')
    .option('--region <name>', 'of the meters that are in one region now')
    .option('--agreement <id>', 'of one agreement')
    .addOption(new Option('--state <state>', 'in one state').choices(INVOICE_STATES))
    .option('--run <id>', 'of one monthly run');
}

function addInvoice(command: Command): Command {
  return addUrl(command).argument('<invoice>', 'number or id');
}

function invoicePath(id: string): string {
  return `${INVOICES}/${encodeURIComponent(id)}`;
}

function failUnless(isRight: boolean): void {
  if (!isRight) process.exitCode = EXIT.failed;
}

function parseMonth(text: string): string {
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) throw new InvalidArgumentError('Write a month like 2026-07.');
  return text;
}
