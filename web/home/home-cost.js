// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { BillLines } from '../bills/bill-lines.js';
import { DayBars } from '../bills/day-bars.js';
import { formatDays, formatKwh, formatMoney, formatMonth } from '../money.js';
import { LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';

const REFRESH_MS = 300_000;

/** The month that goes on: what it costs so far, and what it will at this use. @param {{ meterId: string }} props */
export function HomeCost({ meterId }) {
  const { data, error, refresh } = useRemote(
    meterId,
    (signal) => /** @type {Promise<{ bill: import('../bills/bill-types.js').Bill, projectedTotal: string, currency: string }>} */ (getJson(`/meters/${encodeURIComponent(meterId)}/cycle`, {}, signal)),
    REFRESH_MS,
  );
  return html`
    <section class="panel area-cost" aria-labelledby="cost-title">
      <div class="panel-head"><h2 id="cost-title">${data === null ? 'This month' : formatMonth(data.bill.from)}</h2></div>
      ${error !== null && html`<p class="note">What this month costs is not known: ${error} <button type="button" onClick=${refresh}>Try again</button></p>`}
      ${data === null && error === null && html`<${LoadingNote} what="the cost of this month" />`}
      ${data !== null &&
      html`
        <div class="two-figures">
          <p class="big-amount">${formatMoney(data.bill.total, data.currency)}<span class="of">so far, ${formatDays(data.bill.from, data.bill.to)}</span></p>
          <p class="big-amount projected">${formatMoney(data.projectedTotal, data.currency)}<span class="of">at the month's end, if you go on like this</span></p>
        </div>
        <p class="note tight">${formatKwh(data.bill.importKwh)} used${Number(data.bill.exportKwh) > 0 ? `, ${formatKwh(data.bill.exportKwh)} given to the grid` : ''}.</p>
        ${data.bill.dailyKwh.length > 1 && html`<${DayBars} days=${data.bill.dailyKwh} caption="Your use by day this month" />`}
        <details><summary>What it is made of</summary><${BillLines} bill=${data.bill} /></details>
      `}
    </section>
  `;
}
