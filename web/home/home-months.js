// @ts-check
import { html, useState } from '../ui.js';
import { getJson } from '../api.js';
import { DayBars } from '../bills/day-bars.js';
import { zoneId } from '../format.js';
import { formatDays, formatKwh, formatMonth } from '../money.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { localDate } from './held-meters.js';

/** A year at once: what people compare. */
const MONTHS_SHOWN = 12;
/** The engine asks no further back. */
const FIRST_MONTH = '1970-02';

/**
 * @typedef {{ measured: number, estimated: number, missing: number }} Quarters
 * @typedef {{ from: string, to: string, isOver: boolean, importKwh: number, exportKwh: number, quarters: Quarters }} Energy `from`, `to`: of the month or day what is theirs
 * @typedef {Energy & { month: string }} EnergyMonth
 * @typedef {Energy & { date: string }} EnergyDay
 */

/**
 * The use of a meter by the month, as far as it was theirs; a month opened shows its days. Mount it anew (key) for another meter.
 * @param {{ meterId: string, spans: readonly import('./held-meters.js').HeldSpan[], nowMs: number }} props
 */
export function HomeMonths({ meterId, spans, nowMs }) {
  const { first, end } = monthsHeld(spans, nowMs);
  const [years, setYears] = useState(0);
  const [opened, setOpened] = useState(/** @type {string | null} */ (null));
  const to = monthsLater(end, -years * MONTHS_SHOWN);
  const from = [monthsLater(to, -MONTHS_SHOWN), first].sort()[1];
  const { data, error, refresh } = useRemote(
    `${from} ${to}`,
    (signal) => /** @type {Promise<{ data: EnergyMonth[] }>} */ (getJson(`/meters/${encodeURIComponent(meterId)}/monthly`, { from, to, zone: zoneId() }, signal)),
    null,
  );
  const months = (data?.data ?? []).filter(isKnown).reverse();
  const most = Math.max(...months.map(({ importKwh }) => importKwh), 0.001);
  const gives = months.some(({ exportKwh }) => exportKwh > 0);
  return html`
    <section class="panel area-months" aria-labelledby="months-title">
      <div class="panel-head"><h2 id="months-title">Use by month</h2></div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="the use by month" />`}
      ${data !== null && months.length === 0 && html`<${EmptyNote}>Nothing was measured ${years === 0 && first >= from ? 'in this time' : 'in these twelve months'}.<//>`}
      ${months.length > 0 &&
      html`
        <table class="still versus">
          <thead><tr><th scope="col">Month</th><th scope="col"><span class="hidden">Use, drawn</span></th><th scope="col" class="number">Used</th>${gives && html`<th scope="col" class="number">Given</th>`}</tr></thead>
          <tbody>
            ${months.map(
              (month) => html`
                <tr key=${month.month}>
                  <th scope="row"><button type="button" class="plain link" aria-expanded=${opened === month.month} onClick=${() => setOpened(opened === month.month ? null : month.month)}>${formatMonth(month.month)}</button>${partText(month) && html`<span class="under">${partText(month)}</span>`}</th>
                  <td class="bar-of"><span class="bar plain-bar" aria-hidden="true"><span class="bar-fill" style=${{ width: `${(month.importKwh / most) * 100}%` }}></span></span></td>
                  <td class="number">${formatKwh(month.importKwh)}${missingText(month.quarters) && html`<span class="under">${missingText(month.quarters)}</span>`}</td>
                  ${gives && html`<td class="number">${formatKwh(month.exportKwh)}</td>`}
                </tr>
              `,
            )}
          </tbody>
        </table>
      `}
      ${opened !== null && html`<${MonthDays} key=${opened} meterId=${meterId} month=${opened} />`}
      ${(years > 0 || from > first) &&
      html`
        <nav class="pager" aria-label="Years of use">
          <button type="button" disabled=${from <= first} onClick=${() => { setYears(years + 1); setOpened(null); }}>Earlier</button>
          <span>${formatMonth(from)} – ${formatMonth(monthsLater(to, -1))}</span>
          <button type="button" disabled=${years === 0} onClick=${() => { setYears(years - 1); setOpened(null); }}>Later</button>
        </nav>
      `}
    </section>
  `;
}

/** @param {{ meterId: string, month: string }} props */
function MonthDays({ meterId, month }) {
  const { data, error, refresh } = useRemote(
    month,
    (signal) => /** @type {Promise<{ data: EnergyDay[] }>} */ (getJson(`/meters/${encodeURIComponent(meterId)}/daily`, { from: `${month}-01`, to: `${monthsLater(month, 1)}-01`, zone: zoneId() }, signal)),
    null,
  );
  if (error !== null) return html`<${ErrorNote} error=${error} onRetry=${refresh} />`;
  if (data === null) return html`<${LoadingNote} what="the days" />`;
  const days = data.data.filter(isKnown).map(({ date, importKwh, exportKwh }) => ({ date, importKwh: String(importKwh), exportKwh: String(exportKwh) }));
  return html`<h3>${formatMonth(month)} by day</h3>${days.length === 0 ? html`<${EmptyNote}>Nothing was measured.<//>` : html`<${DayBars} days=${days} caption=${`Use by day in ${formatMonth(month)}`} />`}`;
}

/** What has only quarter-hours of which nothing is known is no use of nothing. @param {Energy} energy */
function isKnown({ quarters }) {
  return quarters.measured + quarters.estimated > 0;
}

/** Said where a figure is of less than it looks like. @param {Quarters} quarters */
export function missingText({ measured, estimated, missing }) {
  const percent = (100 * missing) / (measured + estimated + missing);
  return missing === 0 ? '' : `${percent < 1 ? 'less than 1' : Math.round(percent)} % not measured`;
}

/** Of a month that was not theirs as a whole, or goes on, the days that are meant. @param {EnergyMonth} month */
export function partText({ month, from, to, isOver }) {
  const isWhole = localDate(Date.parse(from)) === `${month}-01` && localDate(Date.parse(to)) === `${monthsLater(month, 1)}-01`;
  const days = isWhole ? '' : formatDays(localDate(Date.parse(from)), dayAfter(localDate(Date.parse(to) - 1)));
  return [days, isOver ? '' : 'so far'].filter((words) => words !== '').join(', ');
}

/**
 * From the first month that something of is theirs to the one after the last, by the viewer's clock.
 * @param {readonly import('./held-meters.js').HeldSpan[]} spans @param {number} nowMs @returns {{ first: string, end: string }} as `2026-07`
 */
export function monthsHeld(spans, nowMs) {
  const fromMs = Math.min(...spans.map((span) => span.fromMs));
  const untilMs = Math.min(nowMs, Math.max(...spans.map((span) => span.untilMs)) - 1);
  return { first: fromMs === -Infinity ? FIRST_MONTH : localDate(fromMs).slice(0, 7), end: monthsLater(localDate(untilMs).slice(0, 7), 1) };
}

/** @param {string} date */
function dayAfter(date) {
  return new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10);
}

/** @param {string} month as `2026-07` @param {number} months */
export function monthsLater(month, months) {
  const [year, number] = month.split('-').map(Number);
  return new Date(Date.UTC(year, number - 1 + months, 1)).toISOString().slice(0, 7);
}
