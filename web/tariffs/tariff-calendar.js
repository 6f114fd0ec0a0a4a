// @ts-check
import { html } from '../ui.js';
import { formatPrice } from '../money.js';
import { calendarRows, viewedPeriods } from './calendar-rows.js';

const DAY_MINUTES = 1_440;
const HOURS = [0, 3, 6, 9, 12, 15, 18, 21, 24];
/** Darker is dearer; past these colours the legend's words tell. */
const SHADES = 7;

/**
 * When which price is: a line for each season and kind of day, from midnight to midnight, the dearer the stronger. Each stretch has its name and times for who does not see it.
 * @param {{ document: import('../bills/bill-types.js').TariffDocument, schedule: import('../bills/bill-types.js').Schedule }} props
 */
export function TariffCalendar({ document, schedule }) {
  const periods = viewedPeriods(document, schedule);
  const shadeOf = new Map(periods.map(({ name, heat }) => [name, Math.round(heat * (SHADES - 1))]));
  const titleOf = new Map(periods.map(({ name, title }) => [name, title]));
  const rows = calendarRows(document, schedule);
  return html`
    <h3>When: ${schedule.name}</h3>
    <ul class="legend-list">
      ${periods.map(({ name, title, prices }) => html`<li key=${name}><span class=${`shade shade-${shadeOf.get(name)}`} aria-hidden="true"></span> <strong>${title}</strong> ${prices.map((price) => formatPrice(price, document.currency)).join(' … ')}</li>`)}
    </ul>
    <div class="calendar" role="table" aria-label=${`Calendar of ${schedule.name}`}>
      <div class="hours" aria-hidden="true">${HOURS.map((hour) => html`<span key=${hour} style=${{ left: `${(hour / 24) * 100}%` }}>${String(hour).padStart(2, '0')}</span>`)}</div>
      <div role="rowgroup">
        ${rows.map(
          (row) => html`
            <div key=${`${row.season} ${row.days}`} class="calendar-row" role="row">
              <span class="days" role="rowheader">${row.season !== '' && html`<span class="of">${row.season} </span>`}${row.days}</span>
              <span class="spans" role="cell">
                <span class="hidden">${row.spans.map(({ from, to, period }) => `${from} to ${to} ${titleOf.get(period)}`).join(', ')}</span>
                ${row.spans.map(
                  ({ from, to, fromMinute, toMinute, period }) => html`
                    <span key=${from} aria-hidden="true" class=${`span shade-${shadeOf.get(period)}`} title=${`${from}–${to} ${titleOf.get(period)}`} style=${{ left: `${(fromMinute / DAY_MINUTES) * 100}%`, width: `${((toMinute - fromMinute) / DAY_MINUTES) * 100}%` }}>${toMinute - fromMinute >= 150 ? titleOf.get(period) : ''}</span>
                  `,
                )}
              </span>
            </div>
          `,
        )}
      </div>
    </div>
  `;
}
