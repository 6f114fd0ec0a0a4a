// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatDays, formatKwh, formatMoney, formatMonth } from '../money.js';
import { useRemote } from '../remote-data.js';

/** Tariffs that are compared; each is rated anew. */
const TARIFFS_MAX = 10;

/**
 * @typedef {{ tariffId: string, total: string, currency: string, difference: string }} Compared
 * @typedef {import('../bills/bill-types.js').Bill} Bill
 */

/** This month beside the same days of the one before, and last month under other tariffs. @param {{ meterId: string }} props */
export function HomeComparison({ meterId }) {
  return html`
    <section class="panel area-compare" aria-labelledby="compare-title">
      <div class="panel-head"><h2 id="compare-title">How it compares</h2></div>
      <${WithLastMonth} meterId=${meterId} />
      <${WithOtherTariffs} meterId=${meterId} />
    </section>
  `;
}

/** @param {{ meterId: string }} props */
function WithLastMonth({ meterId }) {
  const path = `/meters/${encodeURIComponent(meterId)}`;
  const { data, error } = useRemote(
    meterId,
    async (signal) => {
      const { bill: now } = /** @type {{ bill: Bill }} */ (await getJson(`${path}/cycle`, {}, signal));
      const days = sameDaysBefore(now);
      const before = /** @type {Bill} */ (await getJson(`${path}/estimate`, days, signal));
      return { now, before };
    },
    null,
  );
  if (error !== null) return html`<p class="note">There is nothing to compare with yet: ${error}</p>`;
  if (data === null) return html`<p class="note">Comparing…</p>`;
  const { now, before } = data;
  const [used, usedBefore] = [Number(now.importKwh), Number(before.importKwh)];
  const most = Math.max(used, usedBefore, 0.001);
  const change = usedBefore === 0 ? null : Math.round((used / usedBefore - 1) * 100);
  return html`
    <p>${change === null ? 'There was no use in the same days of the month before.' : html`<strong>${change === 0 ? 'As much' : `${Math.abs(change)} % ${change > 0 ? 'more' : 'less'}`}</strong> ${change === 0 ? 'as' : 'than'} in the same days of the month before.`}</p>
    <table class="still versus">
      <caption class="hidden">Use and cost beside the month before</caption>
      <thead class="hidden"><tr><th scope="col">Days</th><th scope="col">Use, drawn</th><th scope="col">Use</th><th scope="col">Cost</th></tr></thead>
      <tbody>
        ${[now, before].map(
          (bill, i) => html`<tr key=${i}><th scope="row">${formatDays(bill.from, bill.to)}</th><td class="bar-of"><span class="bar plain-bar" aria-hidden="true"><span class="bar-fill" style=${{ width: `${(Number(bill.importKwh) / most) * 100}%` }}></span></span></td><td class="number">${formatKwh(bill.importKwh)}</td><td class="number">${formatMoney(bill.total, bill.currency)}</td></tr>`,
        )}
      </tbody>
    </table>
  `;
}

/** As many days from the first of the month before. @param {{ from: string, to: string }} now */
export function sameDaysBefore({ from, to }) {
  const [year, month] = from.split('-').map(Number);
  const begin = Date.UTC(year, month - 2, 1);
  const end = Math.min(Date.UTC(year, month - 1, 1), begin + (Date.parse(to) - Date.parse(from)));
  return { from: new Date(begin).toISOString().slice(0, 10), to: new Date(end).toISOString().slice(0, 10) };
}

/** @param {{ meterId: string }} props */
function WithOtherTariffs({ meterId }) {
  const { data, error } = useRemote(
    meterId,
    async (signal) => {
      const path = `/meters/${encodeURIComponent(meterId)}`;
      const own = /** @type {import('../bills/bill-types.js').TariffVersion} */ (await getJson(`${path}/tariff`, {}, signal));
      const all = /** @type {import('../wire-types.js').Page<import('../bills/bill-types.js').TariffSummary>} */ (await getJson('/tariffs', { limit: '100' }, signal));
      const like = all.data.filter(({ currency, zone }) => currency === own.document.currency && zone === own.document.zone).slice(0, TARIFFS_MAX);
      const thisMonth = new Date().toISOString().slice(0, 7);
      const { from } = sameDaysBefore({ from: `${thisMonth}-01`, to: `${thisMonth}-02` });
      const compared = like.length < 2 ? [] : /** @type {{ data: Compared[] }} */ (await getJson(`${path}/compare`, { from, to: `${thisMonth}-01`, tariffs: like.map(({ id }) => id).join(',') }, signal)).data;
      return { own: own.id, month: from, names: new Map(like.map(({ id, name }) => [id, name])), compared };
    },
    null,
  );
  if (error !== null || data === null || data.compared.length < 2) return null;
  return html`
    <h3>${formatMonth(data.month)} under other tariffs</h3>
    <table class="still">
      <thead><tr><th scope="col">Tariff</th><th scope="col" class="number">Would have cost</th><th scope="col" class="number">Beside yours</th></tr></thead>
      <tbody>
        ${data.compared.map(
          ({ tariffId, total, currency, difference }) => html`<tr key=${tariffId}><th scope="row">${data.names.get(tariffId) ?? tariffId}${tariffId === data.own && html`<span class="badge calm">yours</span>`}</th><td class="number">${formatMoney(total, currency)}</td><td class="number">${tariffId === data.own ? '–' : `${difference.startsWith('-') ? '' : '+'}${formatMoney(difference, currency)}`}</td></tr>`,
        )}
      </tbody>
    </table>
  `;
}
