// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatCount, formatMoment } from '../format.js';
import { formatMonth } from '../money.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';

const REFRESH_MS = 5_000;
const WORDS = { running: 'under way', paused: 'paused', done: 'done', failed: 'failed' };

/** Monthly runs, and how far they are. */
export function BillingRuns() {
  const { data, error, refresh } = useRemote('', (signal) => /** @type {Promise<import('../wire-types.js').Page<import('./bill-types.js').BillingRun>>} */ (getJson('/billing-runs', { limit: '12' }, signal)), REFRESH_MS);
  return html`
    <section class="panel area-opened" aria-labelledby="runs-title">
      <div class="panel-head"><h2 id="runs-title">Monthly runs</h2></div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="runs" />`}
      ${data !== null && data.data.length === 0 && html`<${EmptyNote}>No month was billed yet. <code>npm run seg -- bill run 2026-10</code> bills one that is over.<//>`}
      <ul class="rows runs">
        ${(data?.data ?? []).map(
          (run) => html`
            <li key=${run.id}>
              <span><strong>${formatMonth(run.month)}</strong> ${WORDS[run.state]}<span class="of"> begun ${formatMoment(Date.parse(run.startedAt), Date.now())} by ${run.startedBy}</span></span>
              <progress aria-label=${`Run of ${formatMonth(run.month)}`} max=${Math.max(1, run.agreements)} value=${run.done}></progress>
              <span class="of">${formatCount(run.done)} of ${formatCount(run.agreements)}, ${formatCount(run.issued)} issued${missingCounts(run)}${run.failed > 0 && html`, <strong class="over">${formatCount(run.failed)} could not be billed</strong>`}</span>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

/** Of its bills, before somebody sends them. @param {import('./bill-types.js').BillingRun} run */
function missingCounts({ incomplete }) {
  if (incomplete === null || incomplete.bills === 0) return null;
  const { bills, aboveTenth } = incomplete;
  return html`, ${formatCount(bills)} with quarter-hours missing${aboveTenth > 0 && html`, <strong class="over">${formatCount(aboveTenth)} of them more than a tenth</strong>`}`;
}
