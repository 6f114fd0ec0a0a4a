// @ts-check
/**
 * Types of tariffs, bills and prices as the gateway sends them (src/http/billing-shapes.ts, src/model/billing.ts). Money and energy are decimal text. Types only: nothing imports this file at run time.
 *
 * @typedef {'draft' | 'issued' | 'paid' | 'overdue' | 'disputed' | 'credited'} InvoiceState
 *
 * @typedef {object} InvoiceLine
 * @property {number} number
 * @property {string} kind
 * @property {string} text
 * @property {string} tariffId
 * @property {number} tariffVersion
 * @property {string} from
 * @property {string} to
 * @property {string} quantity
 * @property {string} unit
 * @property {string} unitPrice
 * @property {string} amount
 *
 * @typedef {object} Bill
 * @property {string} agreementId
 * @property {string} meterId
 * @property {string | null} region
 * @property {string} currency
 * @property {string} zone
 * @property {string} from
 * @property {string} to
 * @property {InvoiceLine[]} lines
 * @property {string} net
 * @property {string} tax
 * @property {string} total
 * @property {string} importKwh
 * @property {string} exportKwh
 * @property {{ date: string, importKwh: string, exportKwh: string }[]} dailyKwh
 * @property {{ measured: number, estimated: number, missing: number }} quality quarter-hours
 *
 * @typedef {object} InvoiceSummary
 * @property {string} id
 * @property {string | null} number
 * @property {number} version
 * @property {'invoice' | 'creditNote'} kind
 * @property {InvoiceState} state
 * @property {{ name: string, address: string[], email: string | null }} customer
 * @property {string} meterId
 * @property {string} currency
 * @property {string} from
 * @property {string} to
 * @property {string} total
 * @property {string} importKwh
 * @property {string | null} issuedAt
 * @property {string | null} dueDate
 * @property {string} paid
 * @property {string} outstanding
 * @property {string | null} corrects
 * @property {string[]} correctedBy
 * @property {{ measured: number, estimated: number, missing: number }} quality quarter-hours
 *
 * @typedef {InvoiceSummary & Bill & { differences: { text: string, before: string | null, after: string | null }[] }} Invoice
 * @typedef {{ id: string, amount: string, receivedAt: string, method: string, reference: string }} Payment
 * @typedef {{ agrees: boolean, lines: { number: number, text: string, how: string, amount: string, recomputed: string | null, agrees: boolean }[] }} Explained
 * @typedef {{ id: string, month: string, state: 'running' | 'paused' | 'done' | 'failed', startedAt: string, startedBy: string, agreements: number, done: number, issued: number, incomplete: { bills: number, aboveTenth: number } | null, failed: number }} BillingRun
 *
 * @typedef {object} Price what a kWh costs in a region now
 * @property {string} region
 * @property {string} price
 * @property {string} currency
 * @property {string} multiplier
 * @property {number | null} loadPercent
 * @property {string | null} override
 * @property {string} since
 *
 * @typedef {{ id: string, region: string, price: string, from: string, until: string, by: string, reason: string, endedAt: string | null, endedBy: string | null, endReason: string | null }} PriceOverride
 *
 * @typedef {{ id: string, version: number, name: string, currency: string, zone: string, effectiveFrom: string, effectiveTo: string | null, appliesTo: { regions?: string[], customerClasses?: string[], meters?: string[] } | null, storedAt: string, by: string }} TariffSummary
 * @typedef {{ from: string, to: string, period: string }} Span
 * @typedef {{ name: string, periods: { name: string, title?: string }[], rules: { seasons: string[], days: string[], spans: Span[] }[] }} Schedule
 * @typedef {{ kind: string, name: string, schedule?: string, rates?: { period: string, tiers: { price: string, upTo?: { value: string, unit: string } | null, upToKw?: string | null }[] }[], price?: string, amount?: string, percent?: string, per?: string, of?: string[], covers?: string[], months?: number[], measure?: string }} Charge
 * @typedef {{ id: string, name: string, currency: string, zone: string, effectiveFrom: string, effectiveTo: string | null, seasons: { name: string, from: string, to: string }[], holidays: { date: string, name: string }[], schedules: Schedule[], charges: Charge[], appliesTo: TariffSummary['appliesTo'] }} TariffDocument
 * @typedef {{ id: string, version: number, document: TariffDocument, storedAt: string, by: string }} TariffVersion
 */

export {};
