// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatMoment } from '../format.js';
import { formatMoney } from '../money.js';
import { useRemote } from '../remote-data.js';

/** What was paid of a bill. @param {{ invoiceId: string, currency: string }} props */
export function BillPayments({ invoiceId, currency }) {
  const { data, error } = useRemote(invoiceId, (signal) => /** @type {Promise<import('../wire-types.js').Page<import('./bill-types.js').Payment>>} */ (getJson(`/invoices/${encodeURIComponent(invoiceId)}/payments`, {}, signal)), null);
  if (error !== null) return html`<p class="note error">${error}</p>`;
  if (data === null || data.data.length === 0) return null;
  return html`
    <h3>Payments</h3>
    <ul class="rows">${data.data.map((payment) => html`<li key=${payment.id}><span>${formatMoney(payment.amount, currency)}</span><span class="of">${payment.method}, ${payment.reference}</span><span class="of">${formatMoment(Date.parse(payment.receivedAt), Date.now())}</span></li>`)}</ul>
  `;
}
