// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatMoment } from '../format.js';
import { formatDay, formatPrice } from '../money.js';
import { ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { TariffCalendar } from './tariff-calendar.js';
import { appliesText } from './tariffs-page.js';

/** A tariff: when which price is, what is charged, whose it is. @param {{ tariffId: string }} props */
export function TariffSheet({ tariffId }) {
  const { data, error, refresh } = useRemote(tariffId, (signal) => /** @type {Promise<import('../bills/bill-types.js').TariffVersion>} */ (getJson(`/tariffs/${encodeURIComponent(tariffId)}`, {}, signal)), null);
  return html`
    <section class="panel area-opened" aria-labelledby="tariff-title">
      <div class="panel-head"><h2 id="tariff-title">${data?.document.name ?? tariffId}</h2></div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="the tariff" />`}
      ${data !== null && html`<${Sheet} tariff=${data} />`}
    </section>
  `;
}

/** @param {{ tariff: import('../bills/bill-types.js').TariffVersion }} props */
function Sheet({ tariff: { document, version, storedAt, by } }) {
  return html`
    <dl class="facts meter-facts">
      <div><dt>In force</dt><dd>from ${formatDay(document.effectiveFrom)}${document.effectiveTo !== null && ` to before ${formatDay(document.effectiveTo)}`}</dd></div>
      <div><dt>For</dt><dd class="wraps">${appliesText(document.appliesTo)}</dd></div>
      <div><dt>Clock</dt><dd>${document.zone}</dd></div>
      <div><dt>Version</dt><dd>${version}<span class="of"> by ${by}, ${formatMoment(Date.parse(storedAt), Date.now())}</span></dd></div>
    </dl>
    ${document.schedules.map((schedule) => html`<${TariffCalendar} key=${schedule.name} document=${document} schedule=${schedule} />`)}
    <h3>What is charged</h3>
    <table class="still charges">
      <thead><tr><th scope="col">Charge</th><th scope="col">Kind</th><th scope="col">Price</th></tr></thead>
      <tbody>${document.charges.map((charge) => html`<tr key=${charge.name}><th scope="row">${charge.name}</th><td class="of">${charge.kind}</td><td>${priceText(charge, document.currency)}</td></tr>`)}</tbody>
    </table>
    ${document.holidays.length > 0 && html`<h3>Holidays</h3><p class="note tight">${document.holidays.map(({ date, name }) => `${name} (${formatDay(date)})`).join(', ')}</p>`}
  `;
}

/** @param {import('../bills/bill-types.js').Charge} charge @param {string} currency */
export function priceText({ rates, price, amount, percent, per, of = [] }, currency) {
  if (rates !== undefined) {
    return rates
      .map(({ period, tiers }) => `${period === '*' ? '' : `${period} `}${tiers.map((tier) => `${formatPrice(tier.price, currency)}${tierEnd(tier)}`).join(', then ')}`)
      .join(' · ');
  }
  if (percent !== undefined) return `${percent} %${of.length > 0 ? ` of ${of.join(', ')}` : ''}`;
  return `${formatPrice(price ?? amount ?? '0', currency)}${per === undefined ? ' per kWh' : ` per ${per}`}`;
}

/** @param {{ upTo?: { value: string, unit: string } | null, upToKw?: string | null }} tier */
function tierEnd({ upTo, upToKw }) {
  if (upTo) return ` up to ${upTo.value} ${upTo.unit}`;
  return upToKw ? ` up to ${upToKw} kW` : '';
}
