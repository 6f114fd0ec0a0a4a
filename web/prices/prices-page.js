// @ts-check
import { html, useState } from '../ui.js';
import { getJson } from '../api.js';
import { formatMoment, formatPercent } from '../format.js';
import { formatPrice } from '../money.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { OverrideForm } from './override-form.js';
import { OverrideList } from './override-list.js';
import { PriceCurve } from './price-curve.js';

/** A quiet region's price may not be in the stream yet; the list is asked for until it is. */
const REFRESH_MS = 15_000;

/**
 * What a kWh costs in each region by its load, and what operators made of it.
 * @param {{ state: import('../grid-state.js').GridState, me: import('../account/account-types.js').Me | null, nowMs: number }} props
 */
export function PricesPage({ state, me, nowMs }) {
  const [region, setRegion] = useState(/** @type {string | null} */ (null));
  const [turn, setTurn] = useState(0);
  const { data, error, refresh } = useRemote('', (signal) => /** @type {Promise<import('../wire-types.js').Page<import('../bills/bill-types.js').Price>>} */ (getJson('/prices', {}, signal)), REFRESH_MS);
  const byRegion = new Map((data?.data ?? []).map((price) => [price.region, price]));
  for (const [name, price] of state.prices ?? []) byRegion.set(name, price);
  const prices = [...byRegion.values()].sort((a, b) => a.region.localeCompare(b.region, 'en', { numeric: true }));
  const shown = region ?? prices[0]?.region ?? null;
  const changed = () => {
    setTurn(turn + 1);
    refresh();
  };
  return html`
    <section class="panel area-list" aria-labelledby="prices-title">
      <div class="panel-head"><h2 id="prices-title">Prices now</h2><p class="reporting">per kWh, by the load of the region</p></div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="prices" />`}
      ${data !== null && prices.length === 0 && html`<${EmptyNote}>No price yet: one comes when a minute of a region with a capacity is final.<//>`}
      ${prices.length > 0 &&
      html`
        <table class="prices">
          <thead><tr><th scope="col">Region</th><th scope="col" class="number">Per kWh</th><th scope="col" class="number">Times usual</th><th scope="col" class="number">Load</th><th scope="col" class="number since-cell">Since</th></tr></thead>
          <tbody>
            ${prices.map(
              (price) => html`
                <tr key=${price.region} aria-current=${price.region === shown ? 'true' : undefined} onClick=${() => setRegion(price.region)}>
                  <th scope="row"><button type="button" class="plain">${price.region}</button>${price.override && html`<span class="badge">set by hand</span>`}</th>
                  <td class="number"><strong>${formatPrice(price.price, price.currency)}</strong></td>
                  <td class=${`number ${Number(price.multiplier) > 1 ? 'silent' : ''}`}>× ${price.multiplier}</td>
                  <td class="number">${formatPercent(price.loadPercent)}</td>
                  <td class="number since-cell">${formatMoment(Date.parse(price.since), nowMs)}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      `}
    </section>
    <section class="panel area-opened" aria-labelledby="region-price-title">
      <div class="panel-head"><h2 id="region-price-title">${shown ?? 'A region'}</h2></div>
      ${shown !== null && html`<${PriceCurve} key=${`${shown} ${turn}`} region=${shown} price=${byRegion.get(shown) ?? null} nowMs=${nowMs} />`}
      ${(me === null || me.role !== 'consumer') && shown !== null && html`<${OverrideForm} key=${`form ${shown}`} region=${shown} currency=${byRegion.get(shown)?.currency ?? ''} onMade=${changed} />`}
      <${OverrideList} key=${`list ${turn}`} currencyOf=${(/** @type {string} */ name) => byRegion.get(name)?.currency ?? ''} nowMs=${nowMs} onEnded=${changed} />
    </section>
  `;
}
