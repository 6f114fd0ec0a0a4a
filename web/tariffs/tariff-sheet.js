// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatMoment } from '../format.js';
import { formatDay, formatDays } from '../money.js';
import { ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { TariffCalendar } from './tariff-calendar.js';
import { appliesText, priceText } from './tariff-words.js';

/** A tariff: when which price is, what is charged, whose it is. @param {{ tariffId: string }} props */
export function TariffSheet({ tariffId }) {
  const { data, error, refresh } = useRemote(tariffId, (signal) => /** @type {Promise<import('../bills/bill-types.js').TariffVersion>} */ (getJson(`/tariffs/${encodeURIComponent(tariffId)}`, {}, signal)), null);
  return html`
    <section class="panel area-opened" aria-labelledby="tariff-title" tabindex="0">
      <div class="panel-head"><h2 id="tariff-title">${data?.document.name ?? tariffId}</h2></div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="the tariff" />`}
      ${data !== null && html`<${Sheet} tariff=${data} />`}
    </section>
  `;
}

/** @param {import('../bills/bill-types.js').TariffDocument} document @param {import('../bills/bill-types.js').Charge} charge */
function titlesOf({ schedules }, charge) {
  const schedule = schedules.find(({ name }) => name === charge.schedule);
  return new Map((schedule?.periods ?? []).map(({ name, title = name }) => [name, title]));
}

/** @param {{ tariff: import('../bills/bill-types.js').TariffVersion }} props */
function Sheet({ tariff: { document, version, storedAt, by } }) {
  return html`
    <dl class="facts bill-facts">
      <div><dt>In force</dt><dd>${document.effectiveTo === null ? `from ${formatDay(document.effectiveFrom)}` : formatDays(document.effectiveFrom, document.effectiveTo)}</dd></div>
      <div><dt>For</dt><dd>${appliesText(document.appliesTo)}</dd></div>
      <div><dt>Clock</dt><dd>${document.zone}</dd></div>
      <div><dt>Version</dt><dd>${version}<span class="of"> by ${by}, ${formatMoment(Date.parse(storedAt), Date.now())}</span></dd></div>
    </dl>
    ${document.schedules.map((schedule) => html`<${TariffCalendar} key=${schedule.name} document=${document} schedule=${schedule} />`)}
    <h3>What is charged</h3>
    <table class="still charges">
      <thead><tr><th scope="col">Charge</th><th scope="col" class="kind">Kind</th><th scope="col">Price</th></tr></thead>
      <tbody>${document.charges.map((charge) => html`<tr key=${charge.name}><th scope="row">${charge.name}</th><td class="of kind">${charge.kind}</td><td>${priceText(charge, document.currency, titlesOf(document, charge))}</td></tr>`)}</tbody>
    </table>
    ${document.holidays.length > 0 && html`<h3>Holidays</h3><p class="note tight">${document.holidays.map(({ date, name }) => `${name} (${formatDay(date)})`).join(', ')}</p>`}
  `;
}
