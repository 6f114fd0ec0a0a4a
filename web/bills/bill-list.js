// @ts-check
import { html, useState } from '../ui.js';
import { getJson } from '../api.js';
import { useListKeys } from '../list-keys.js';
import { formatDay, formatMoney, formatMonth } from '../money.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { goToPage, pageHash } from '../route.js';
import { invoiceName, missingTag, STATES } from './bill-words.js';

const PAGE_ROWS = 25;
const REFRESH_MS = 30_000;

/**
 * Bills page by page, the newest first. Mount it anew (key) for another filter.
 * @param {{ state: string | null, meterId: string | null, region?: string | null, invoiceId: string | null, hasCustomers?: boolean, hasEnded?: boolean }} props `invoiceId`: the one that was opened; `hasEnded`: there will be no more
 */
export function BillList({ state, meterId, region = null, invoiceId, hasCustomers, hasEnded }) {
  const [cursors, setCursors] = useState(/** @type {(string | null)[]} */ ([null]));
  const cursor = cursors[cursors.length - 1];
  const keys = useListKeys();
  const { data, error, refresh } = useRemote(
    `${cursor}`,
    (signal) => /** @type {Promise<import('../wire-types.js').Page<import('./bill-types.js').InvoiceSummary>>} */ (getJson('/invoices', { state, meterId, region, limit: String(PAGE_ROWS), cursor }, signal)),
    REFRESH_MS,
  );
  if (error !== null && data === null) return html`<${ErrorNote} error=${error} onRetry=${refresh} />`;
  if (data === null) return html`<${LoadingNote} what="bills" />`;
  const isOnlyPage = cursors.length === 1 && data.nextCursor === null;
  if (data.data.length === 0 && isOnlyPage) return html`<${EmptyNote}>${emptyText(state !== null, meterId, hasEnded === true, hasCustomers === true)}<//>`;
  return html`
    ${
      data.data.length === 0
        ? html`<${EmptyNote}>There is no such bill on this page.<//>`
        : html`
            <table class="bills" ...${keys}>
              <thead><tr><th scope="col">Bill</th>${hasCustomers && html`<th scope="col" class="customer-cell">Customer</th>`}<th scope="col">State</th><th scope="col" class="number">Total</th></tr></thead>
              <tbody>${data.data.map((invoice) => html`<${BillRow} key=${invoice.id} invoice=${invoice} isOpened=${invoice.id === invoiceId || invoice.number === invoiceId} hasCustomer=${hasCustomers} />`)}</tbody>
            </table>
          `
    }
    ${!isOnlyPage &&
    html`
      <nav class="pager" aria-label="Pages of bills">
        <button type="button" disabled=${cursors.length === 1} onClick=${() => setCursors(cursors.slice(0, -1))}>Previous</button>
        <span>Page ${cursors.length}</span>
        <button type="button" disabled=${data.nextCursor === null} onClick=${() => setCursors([...cursors, data.nextCursor])}>Next</button>
      </nav>
    `}
  `;
}

/** @param {boolean} hasState @param {string | null} meterId @param {boolean} hasEnded @param {boolean} isOfAll */
function emptyText(hasState, meterId, hasEnded, isOfAll) {
  if (hasState) return 'No bill is in this state.';
  if (isOfAll && meterId !== null) return `There is no bill ${meterId}, and none of a meter of this id.`;
  return hasEnded ? 'There is no bill of that time.' : 'No bill yet. The first comes when a month is over and was billed.';
}

/** @param {{ invoice: import('./bill-types.js').InvoiceSummary, isOpened: boolean, hasCustomer?: boolean }} props */
function BillRow({ invoice, isOpened, hasCustomer }) {
  const { word, level } = STATES[invoice.state];
  const missing = missingTag(invoice);
  return html`
    <tr aria-current=${isOpened ? 'true' : undefined} onClick=${() => goToPage('bills', invoice.id)}>
      <th scope="row"><a href=${pageHash('bills', invoice.id)}>${invoiceName(invoice)}</a><span class="under">${formatMonth(invoice.from)}</span></th>
      ${hasCustomer && html`<td class="customer-cell">${invoice.customer.name}<span class="under">${invoice.meterId}</span></td>`}
      <td><span class=${`tag tag-${level}`}>${word}</span>${invoice.state === 'issued' && invoice.dueDate && html`<span class="under">by ${formatDay(invoice.dueDate)}</span>`}${missing !== null && html`<span class="under"><span class=${`tag tag-${missing.level}`}>${missing.word}</span></span>`}</td>
      <td class="number">${formatMoney(invoice.total, invoice.currency)}</td>
    </tr>
  `;
}
