import type { Agreement, BillingRun, Dispute, Invoice, Payment } from '../../src/model/billing.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';
import type { BillingEvent } from '../../src/actors/tariffs/protocol.ts';
import { METERS, MONTHS } from './billing-plan.ts';

/** What has to come of it. Works with cents and whole microKwh of its own, from nothing but what was said and what let out. */

const FIXED_CENTS_PER_DAY = 30n;
const TAX_PERCENT = 20n;

export const cents = (text: string): bigint => BigInt(text.replace('.', ''));

/** What the supervisor says when everything is at rest. */
export interface FinalBooks {
  invoices: Invoice[];
  payments: Map<string, Payment[]>;
  disputes: Dispute[];
  agreements: Agreement[];
  runs: BillingRun[];
  /** Ids of invoices that stand and whose lines are not what their intervals come to. */
  disagreeing: string[];
}

export class BillingOracle {
  /** Newest of each that was let out. */
  readonly invoices = new Map<string, Invoice>();
  readonly disputes = new Map<string, Dispute>();
  /** Price in cents by version of the tariff, from 1. */
  readonly pricesCents: bigint[] = [];
  private readonly payments = new Map<string, Payment>();
  private readonly paidByAnswer = new Set<string>();
  private readonly numbers = new Map<string, string>();
  private readonly fail: (problem: string) => void;
  private readonly netOf: (meterId: string, quarter: number) => number;

  constructor({ fail, netOf }: { fail: (problem: string) => void; netOf: (meterId: string, quarter: number) => number }) {
    this.fail = fail;
    this.netOf = netOf;
  }

  told(event: BillingEvent): void {
    if (event.topic === 'billing_updates') this.toldInvoice(event.invoice);
    if (event.topic === 'payment_updates') this.toldPayment(event.payment);
    if (event.topic === 'dispute_updates') this.disputes.set(event.dispute.id, event.dispute);
  }

  /** An answer said that it is done. */
  answeredPayment(payment: Payment): void {
    this.paidByAnswer.add(payment.id);
    this.toldPayment(payment);
  }

  check(books: FinalBooks, nowMs: number): void {
    this.checkNumbers(books.invoices);
    for (const invoice of books.invoices) {
      this.checkKept(invoice);
      if (invoice.state !== 'draft') this.checkMoney(invoice, books, nowMs);
    }
    this.checkTold(books);
    this.checkStanding(books);
    for (const run of books.runs) this.checkRun(run, books.invoices);
    if (books.disagreeing.length > 0) this.fail(`${books.disagreeing.join(', ')} are not what their intervals come to`);
  }

  /** A run that has just ended, and that nobody has started again: whoever was there all the time has an invoice, and nobody was counted twice. */
  checkEnded(run: BillingRun, { invoices, agreements }: Pick<FinalBooks, 'invoices' | 'agreements'>): void {
    if (run.done > agreements.length) this.fail(`the run of ${run.month} is through with ${run.done} of ${agreements.length} agreements`);
    for (const { id, meterId, version } of agreements) {
      if (version > 1 || Number(id.slice(3)) > METERS) continue;
      const isBilled = invoices.some(({ agreementId, from, number }) => agreementId === id && number !== null && from.startsWith(run.month));
      if (!isBilled) this.fail(`the run of ${run.month} left out ${meterId}`);
    }
  }

  private toldInvoice(invoice: Invoice): void {
    const known = this.invoices.get(invoice.id);
    if (known !== undefined && known.version > invoice.version) this.fail(`${invoice.number} is told of as version ${invoice.version} after ${known.version}`);
    if (known !== undefined && known.version === invoice.version && JSON.stringify(known) !== JSON.stringify(invoice)) this.fail(`${invoice.number} has two versions ${invoice.version}`);
    this.invoices.set(invoice.id, invoice);
    this.checkKept(invoice);
    const holder = this.numbers.get(invoice.number!);
    if (holder !== undefined && holder !== invoice.id) this.fail(`${invoice.number} is the number of ${holder} and ${invoice.id}`);
    this.numbers.set(invoice.number!, invoice.id);
  }

  /** What was let out under a number stays. */
  private checkKept(invoice: Invoice): void {
    const known = this.invoices.get(invoice.id);
    if (known === undefined || known === invoice) return;
    for (const key of ['number', 'lines', 'total', 'issuedAt', 'dueDate', 'customer', 'corrects'] as const) {
      if (JSON.stringify(known[key]) !== JSON.stringify(invoice[key])) this.fail(`${key} of ${known.number} was ${JSON.stringify(known[key])} and is ${JSON.stringify(invoice[key])}`);
    }
  }

  private toldPayment(payment: Payment): void {
    const known = this.payments.get(payment.id);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(payment)) this.fail(`payment ${payment.id} was ${JSON.stringify(known)} and is ${JSON.stringify(payment)}`);
    this.payments.set(payment.id, payment);
  }

  private checkNumbers(invoices: readonly Invoice[]): void {
    for (const prefix of ['INV-2026-', 'CN-2026-']) {
      const numbers = invoices.flatMap(({ number }) => (number?.startsWith(prefix) ? [Number(number.slice(prefix.length))] : [])).sort((a, b) => a - b);
      numbers.forEach((number, i) => number === i + 1 || this.fail(`${prefix} numbers are ${numbers.join(', ')}`));
    }
  }

  private checkMoney(invoice: Invoice, { payments, disputes, invoices }: FinalBooks, nowMs: number): void {
    const name = invoice.number;
    const sum = invoice.lines.reduce((total, { amount }) => total + cents(amount), 0n);
    if (sum !== cents(invoice.total)) this.fail(`${name} has lines of ${sum} and a total of ${invoice.total}`);
    if (cents(invoice.net) + cents(invoice.tax) !== cents(invoice.total)) this.fail(`${name} has net ${invoice.net} and tax ${invoice.tax} of ${invoice.total}`);
    if (invoice.kind === 'creditNote') return;
    const paid = (payments.get(invoice.id) ?? []).reduce((total, { amount }) => total + cents(amount), 0n);
    if (paid !== cents(invoice.paid)) this.fail(`${name} has payments of ${paid} and says ${invoice.paid}`);
    const notes = invoices.filter(({ kind, corrects }) => kind === 'creditNote' && corrects === invoice.id);
    const credited = notes.reduce((total, note) => total - cents(note.total), 0n);
    if (cents(invoice.total) - paid - credited !== cents(invoice.outstanding)) this.fail(`${name}: ${invoice.total} less ${paid} paid and ${credited} credited is not ${invoice.outstanding}`);
    const isDisputed = disputes.some(({ invoiceId, resolvedAt }) => invoiceId === invoice.id && resolvedAt === null);
    if (isDisputed !== (invoice.state === 'disputed')) this.fail(`${name} is ${invoice.state} and ${isDisputed ? 'in' : 'not in'} dispute`);
    const full = notes.filter(({ total }) => cents(total) === -cents(invoice.total)).length;
    if (invoice.state === 'credited' && full > 1) this.fail(`${name} was taken back ${full} times`);
    if (invoices.some(({ kind, corrects }) => kind === 'invoice' && corrects === invoice.id) && cents(invoice.outstanding) !== 0n) this.fail(`${name} has another in its place, and ${invoice.outstanding} are left on it`);
    if (invoice.state === 'paid' && cents(invoice.outstanding) > 0n) this.fail(`${name} is paid, and ${invoice.outstanding} are to be paid`);
    const isLate = nowMs >= Date.parse(`${invoice.dueDate}T00:00:00Z`) + 86_400_000;
    if ((invoice.state === 'issued' || invoice.state === 'overdue') && (cents(invoice.outstanding) <= 0n || isLate !== (invoice.state === 'overdue'))) this.fail(`${name} of ${invoice.outstanding}, due on ${invoice.dueDate}, is ${invoice.state}`);
  }

  /** What was let out is there, and what is there was let out. */
  private checkTold({ invoices, payments, disputes }: FinalBooks): void {
    const there = new Map(invoices.map((invoice) => [invoice.id, invoice]));
    for (const { id, number, version } of this.invoices.values()) if ((there.get(id)?.version ?? -1) < version) this.fail(`${number} was told of as version ${version}, and is ${there.get(id)?.version ?? 'gone'}`);
    const paid = new Set([...payments.values()].flat().map(({ id }) => id));
    for (const id of [...this.payments.keys(), ...this.paidByAnswer]) if (!paid.has(id)) this.fail(`payment ${id} is gone`);
    for (const { id } of this.disputes.values()) if (!disputes.some((dispute) => dispute.id === id)) this.fail(`dispute ${id} is gone`);
    for (const ofInvoice of payments.values()) {
      const references = ofInvoice.map(({ reference }) => reference);
      if (new Set(references).size !== references.length) this.fail(`${references.join(', ')} were paid, some twice`);
    }
  }

  /** Each agreement and month with a day in it has one invoice that stands, and that is right; others have none. */
  private checkStanding({ invoices, agreements }: FinalBooks): void {
    for (const { id, meterId, movedIn, movedOut } of agreements) {
      for (const month of MONTHS) {
        const monthEnd = month === '2026-06' ? '2026-07-01' : '2026-08-01';
        const from = movedIn > `${month}-01` ? movedIn : `${month}-01`;
        const to = movedOut !== null && movedOut < monthEnd ? movedOut : monthEnd;
        const standing = invoices.filter(({ agreementId, kind, state, from: first, correctedBy }) => agreementId === id && kind === 'invoice' && first.startsWith(month) && state !== 'draft' && !isTakenBack(correctedBy, state, invoices));
        const wanted = from < to ? 1 : 0;
        // What a dispute took back whole is left as it is.
        if (standing.length === 1 && standing[0].state === 'credited') continue;
        if (standing.length !== wanted) this.fail(`${meterId} has ${standing.length} invoices that stand for ${from} to ${to}, not ${wanted}`);
        else if (wanted === 1 && (standing[0].from !== from || standing[0].to !== to)) this.fail(`${standing[0].number} is for ${standing[0].from} to ${standing[0].to}, not ${from} to ${to}`);
        else if (wanted === 1 && standing[0].parts[0].tariffId === 'flat') this.checkTotal(standing[0]);
      }
    }
  }

  private checkTotal(invoice: Invoice): void {
    let net = 0n;
    let tax = 0n;
    for (const { from, to, tariffVersion } of invoice.parts) {
      let microKwh = 0n;
      for (let quarter = Date.parse(from) / QUARTER_MS; quarter < Date.parse(to) / QUARTER_MS; quarter++) microKwh += BigInt(Math.max(0, this.netOf(invoice.meterId, quarter)));
      const days = BigInt((Date.parse(to) - Date.parse(from)) / 86_400_000);
      const part = halfUp(microKwh * this.pricesCents[tariffVersion - 1], 1_000_000n) + days * FIXED_CENTS_PER_DAY;
      net += part;
      tax += halfUp(part * TAX_PERCENT, 100n);
    }
    if (net + tax !== cents(invoice.total)) this.fail(`${invoice.number} of ${invoice.meterId} is ${invoice.total}, not ${net + tax} cents`);
  }

  private checkRun({ month, state, agreements, done, issued, incomplete, id, failed }: BillingRun, invoices: readonly Invoice[]): void {
    if (state !== 'done' || failed !== 0 || done !== agreements) this.fail(`the run of ${month} is ${state} with ${done} of ${agreements} done, ${failed} failed`);
    const own = invoices.filter(({ run }) => run === id);
    if (own.length !== issued) this.fail(`the run of ${month} says it issued ${issued}, and there are ${own.length}`);
    const missing = own.map(({ quality }) => quality.missing / (quality.measured + quality.estimated + quality.missing));
    const [bills, aboveTenth] = [0, 0.1].map((share) => missing.filter((one) => one > share).length);
    if (incomplete?.bills !== bills || incomplete.aboveTenth !== aboveTenth) this.fail(`the run of ${month} says ${JSON.stringify(incomplete)} of its bills are incomplete, not ${bills} and ${aboveTenth}`);
  }
}

function isTakenBack(correctedBy: readonly string[], state: Invoice['state'], invoices: readonly Invoice[]): boolean {
  // One that a dispute took back whole is credited, and stands for its month.
  return state === 'credited' && correctedBy.some((id) => invoices.some((note) => note.id === id && note.kind === 'creditNote' && note.differences.length > 0));
}

function halfUp(numerator: bigint, denominator: bigint): bigint {
  return (numerator * 2n + denominator) / (denominator * 2n);
}
