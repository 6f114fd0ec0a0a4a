import type { Agreement, Bill, BillingRun, Dispute, DynamicPrice, Invoice, InvoiceState, NewAgreement, Payment, PriceOverride } from '../../model/billing.ts';
import type { HeldTime } from '../../model/held-time.ts';
import type { Page } from '../../model/queries.ts';
import type { ComparedCustomer, NewComparison, TariffComparison } from './comparison.ts';
import type { TariffDocument, TariffFault } from './tariff-document.ts';

/** Messages of the tariff supervisor. Commands are named by who gave them (`by`), and fail with OperationalError: the codes stand beside. */

/** A version of a tariff. They are numbered from 1 by tariff, and never change or go. */
export interface TariffVersion {
  id: string;
  version: number;
  document: TariffDocument;
  storedAt: number;
  by: string;
}

/** A part of the engine's fleet as the supervisor is told it: a meter and where it is. */
export interface MeterPlace {
  meterId: string;
  region: string;
}

/** Load of regions, as windows of one minute close. */
export interface RegionLoad {
  region: string;
  windowStart: number;
  /** Of the capacity; null: none is configured. */
  loadPercent: number | null;
}

export interface InvoiceQuery {
  agreementId: string | null;
  meterId: string | null;
  state: InvoiceState | null;
  /** Run that issued them. */
  run: string | null;
  /** In which their meters are now. */
  region: string | null;
  limit: number;
  cursor: string | null;
}

export type TariffQuestion =
  // Tariffs
  | { kind: 'tariffs'; limit: number; cursor: string | null }
  /** Version null: the newest. `unknown_tariff`. */
  | { kind: 'tariff'; id: string; version: number | null }
  | { kind: 'tariffVersions'; id: string }
  /** A new version, from a document that tariff-check has passed. `invalid_tariff`: the faults are its details. `expectedVersion`: newest version there is, 0 for none; null: whatever. `stale_version`. */
  | { kind: 'putTariff'; document: TariffDocument; expectedVersion: number | null; by: string }
  /** Which tariff version counts for a meter at a time. `unknown_meter`, `no_tariff`. */
  | { kind: 'tariffOf'; meterId: string; at: number }
  /** Of all regions' meters without an agreement. */
  | { kind: 'tariffsOfRegion'; region: string; at: number }
  // Agreements
  | { kind: 'agreements'; meterId: string | null; limit: number; cursor: string | null }
  /** `unknown_agreement` */
  | { kind: 'agreement'; id: string }
  /** `agreement_overlaps`: the meter has one in that time. */
  | { kind: 'makeAgreement'; agreement: NewAgreement; by: string }
  /** `stale_version`, `agreement_overlaps`. */
  | { kind: 'changeAgreement'; id: string; version: number | null; tariffId: string | null | undefined; customer: Agreement['customer'] | undefined; movedOut: string | null | undefined; by: string }
  // Costs
  /** A meter's cost in days of its zone under the tariff that counts, or under another. Of `within` (absent: any time) the latest span that has a whole one of these days counts, and those that are in it; `unknown_meter` where none has. `unknown_meter`, `no_tariff`, `unknown_tariff`, `period_too_long`. */
  | { kind: 'estimate'; meterId: string; from: string; to: string; tariffId: string | null; within?: HeldTime }
  /** Of the month that goes on: so far, and projected to its end. */
  | { kind: 'cycle'; meterId: string; within?: HeldTime }
  /** Months under several tariffs, cheapest first. */
  | { kind: 'compare'; meterId: string; from: string; to: string; tariffIds: string[]; within?: HeldTime }
  // Invoices
  | { kind: 'invoices'; query: InvoiceQuery }
  /** By id or number. `unknown_invoice` */
  | { kind: 'invoice'; id: string }
  /** `unknown_agreement`, `month_not_over`, `already_billed`, `no_tariff`. */
  | { kind: 'draft'; agreementId: string; month: string }
  /** Recomputed from the intervals. */
  | { kind: 'explainInvoice'; id: string }
  /** The same reference again changes nothing and gives the payment that is there. `unknown_invoice`, `wrong_state`, `overpaid`. */
  | { kind: 'pay'; invoiceId: string; amount: string; method: string; reference: string; receivedAt: number; by: string }
  | { kind: 'payments'; invoiceId: string }
  | { kind: 'dispute'; invoiceId: string; reason: string; lines: number[]; by: string }
  /** `unknown_dispute`, `wrong_state`. An upheld one gives a credit note of `creditAmount`. */
  | { kind: 'resolveDispute'; id: string; outcome: Dispute['outcome'] & string; resolution: string; creditAmount: string | null; by: string }
  | { kind: 'disputes'; invoiceId: string | null; openOnly: boolean; limit: number; cursor: string | null }
  // Runs
  /** The same month again goes on with the run that is there. `month_not_over`, `run_under_way`. */
  | { kind: 'startRun'; month: string; by: string }
  | { kind: 'run'; id: string }
  | { kind: 'runs'; limit: number; cursor: string | null }
  // Comparisons of many customers
  /** `comparison_under_way`, `unknown_tariff`, `tariff_not_in_force`, `mixed_tariffs`, `bad_month`, `bad_span`, `period_too_long`. */
  | { kind: 'startComparison'; comparison: NewComparison; by: string }
  /** `unknown_comparison` */
  | { kind: 'comparison'; id: string }
  | { kind: 'comparisons'; limit: number; cursor: string | null }
  /** Those that are done so far. */
  | { kind: 'comparedCustomers'; id: string; limit: number; cursor: string | null }
  /** Cancels it; one that is over already goes for good. */
  | { kind: 'endComparison'; id: string }
  // Dynamic price
  | { kind: 'prices' }
  | { kind: 'priceHistory'; region: string; from: number; to: number; limit: number; cursor: string | null }
  | { kind: 'overrides'; region: string | null; withEnded: boolean; limit: number; cursor: string | null }
  /** `override_overlaps` */
  | { kind: 'makeOverride'; region: string; price: string; from: number; until: number; by: string; reason: string }
  /** `unknown_override`, `wrong_state`. */
  | { kind: 'endOverride'; id: string; by: string; reason: string };

export interface CycleCost {
  bill: Bill;
  /** The whole month at the use so far: of each quarter-hour to come what the same time of day of the same kind of day took on average. */
  projected: Bill;
}

export interface ComparedTariff {
  tariffId: string;
  version: number;
  total: string;
  currency: string;
  difference: string;
  monthly: { month: string; total: string }[];
}

export interface ExplainedInvoice {
  invoice: Invoice;
  recomputed: Bill;
  agrees: boolean;
  lines: { number: number; text: string; how: string; amount: string; recomputed: string | null; agrees: boolean }[];
}

export interface TariffAnswers {
  tariffs: Page<TariffVersion>;
  tariff: TariffVersion;
  tariffVersions: TariffVersion[];
  putTariff: TariffVersion;
  tariffOf: TariffVersion & { agreementId: string | null };
  tariffsOfRegion: TariffVersion[];
  agreements: Page<Agreement>;
  agreement: Agreement;
  makeAgreement: Agreement;
  changeAgreement: Agreement;
  estimate: Bill;
  cycle: CycleCost;
  compare: ComparedTariff[];
  invoices: Page<Invoice>;
  invoice: Invoice;
  draft: Invoice;
  explainInvoice: ExplainedInvoice;
  pay: { payment: Payment; invoice: Invoice };
  payments: Payment[];
  dispute: Dispute;
  resolveDispute: Dispute;
  disputes: Page<Dispute>;
  startRun: BillingRun;
  run: BillingRun;
  runs: Page<BillingRun>;
  startComparison: TariffComparison;
  comparison: TariffComparison;
  comparisons: Page<TariffComparison>;
  comparedCustomers: Page<ComparedCustomer>;
  endComparison: TariffComparison;
  prices: DynamicPrice[];
  priceHistory: Page<DynamicPrice>;
  overrides: Page<PriceOverride>;
  makeOverride: PriceOverride;
  endOverride: PriceOverride;
}

/** What a document that cannot be taken is refused with, as `details` of `invalid_tariff`. */
export interface TariffRefusal {
  faults: TariffFault[];
}

/** What leaves for topics, tables and the live stream; ids are stable, the higher version of one counts. */
export type BillingEvent =
  | { topic: 'tariff_updates'; id: string; at: number; price: DynamicPrice }
  | { topic: 'billing_updates'; id: string; at: number; invoice: Invoice }
  | { topic: 'payment_updates'; id: string; at: number; payment: Payment; invoice: Invoice }
  | { topic: 'dispute_updates'; id: string; at: number; dispute: Dispute };
