// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatMoment } from '../format.js';
import { useRemote } from '../remote-data.js';

const SHOWN_MAX = 10;
const REFRESH_MS = 5_000;

/** @typedef {{ id: string, receivedAt: string, code: string, message?: string, meterId?: string | null }} DeadLetter */

/** The newest readings that were refused, and why. @param {{ nowMs: number }} props */
export function RejectedList({ nowMs }) {
  const { data, error } = useRemote('', (signal) => /** @type {Promise<import('../wire-types.js').Page<DeadLetter>>} */ (getJson('/dead-letters', { limit: String(SHOWN_MAX) }, signal)), REFRESH_MS);
  return html`
    <h3>Rejected in the last 24 hours</h3>
    ${error !== null && html`<p class="note error">${error}</p>`}
    ${data !== null && data.data.length === 0 && html`<p class="note tight">None.</p>`}
    <ul class="rows">${(data?.data ?? []).map((letter) => html`<li key=${letter.id}><span><strong>${letter.code.replaceAll('_', ' ')}</strong>${letter.meterId && html`<span class="of"> ${letter.meterId}</span>`}</span><span class="of">${letter.message ?? ''}</span><span class="of">${formatMoment(Date.parse(letter.receivedAt), nowMs)}</span></li>`)}</ul>
  `;
}
