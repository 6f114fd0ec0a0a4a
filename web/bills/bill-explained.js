// @ts-check
import { html, useState } from '../ui.js';
import { getJson } from '../api.js';
import { formatMoney } from '../money.js';
import { ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';

/** A bill computed anew from the readings, line by line, when somebody asks. @param {{ invoiceId: string, currency: string }} props */
export function BillExplained({ invoiceId, currency }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <details class="explained" onToggle=${(/** @type {any} */ event) => setOpen(event.currentTarget.open)}>
      <summary>How was this computed?</summary>
      ${isOpen && html`<${Explanation} invoiceId=${invoiceId} currency=${currency} />`}
    </details>
  `;
}

/** @param {{ invoiceId: string, currency: string }} props */
function Explanation({ invoiceId, currency }) {
  const { data, error, refresh } = useRemote(invoiceId, (signal) => /** @type {Promise<import('./bill-types.js').Explained>} */ (getJson(`/invoices/${encodeURIComponent(invoiceId)}/explain`, {}, signal)), null);
  if (error !== null) return html`<${ErrorNote} error=${error} onRetry=${refresh} />`;
  if (data === null) return html`<${LoadingNote} what="the explanation" />`;
  return html`
    <p class=${data.agrees ? 'note tight' : 'note error tight'} role="status">${data.agrees ? '✓ Computed anew from the readings as they are now, each line comes to the same.' : 'Computed anew from the readings as they are now, not all lines come to the same: a correction is under way, or one is due.'}</p>
    <ol class="account explained-lines">
      ${data.lines.map(
        (line) => html`<li key=${line.number}><strong>${line.text}</strong><span>${line.how}</span><span class=${line.agrees ? 'of' : 'over'}>${formatMoney(line.amount, currency)}${!line.agrees && line.recomputed !== null && ` billed, ${formatMoney(line.recomputed, currency)} now`}</span></li>`,
      )}
    </ol>
  `;
}
