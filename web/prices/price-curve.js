// @ts-check
import { html, useState } from '../ui.js';
import { getJson } from '../api.js';
import { CurveTable } from '../curve-table.js';
import { formatMinute, formatMoment } from '../format.js';
import { LoadCurve } from '../load-curve.js';
import { formatPrice } from '../money.js';
import { useRemote } from '../remote-data.js';

const DAY_MS = 86_400_000;
const CHANGES_MAX = 1_000;

/**
 * The price of a region over the last day, as steps.
 * @param {{ region: string, price: import('../bills/bill-types.js').Price | null, nowMs: number }} props
 */
export function PriceCurve({ region, price, nowMs }) {
  const [openedMs] = useState(nowMs);
  const { data, error } = useRemote(
    region,
    (signal) =>
      /** @type {Promise<import('../wire-types.js').Page<import('../bills/bill-types.js').Price>>} */ (
        getJson(`/prices/${encodeURIComponent(region)}/history`, { from: new Date(openedMs - DAY_MS).toISOString(), limit: String(CHANGES_MAX) }, signal)
      ),
    60_000,
  );
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  if (error !== null) return html`<p class="note error">${error}</p>`;
  if (data === null) return html`<p class="note">Loading what it was…</p>`;
  const changes = stepsOf([...data.data, ...(price === null ? [] : [price])], nowMs);
  if (changes.length < 2) return html`<p class="note">It has not changed in the last day.</p>`;
  const at = hovered === null ? changes[changes.length - 1] : (changes[hovered] ?? changes[changes.length - 1]);
  return html`
    <div class="load-figures"><h3>Last 24 hours</h3><p class="figure figure-end">${hovered === null ? 'now' : formatMinute(at.atMs)} <strong>${formatPrice(String(at.price), at.currency)}</strong></p></div>
    <${LoadCurve}
      label=${`Price of a kWh in ${region} over the last 24 hours, now ${formatPrice(String(changes[changes.length - 1].price), at.currency)}`}
      seconds=${changes.map(({ atMs }) => atMs / 1000)}
      series=${[{ values: changes.map((step) => step.price), color: '--price', fill: '--forecast-wash' }]}
      range=${[Math.min((nowMs - DAY_MS) / 1000, changes[0].atMs / 1000), nowMs / 1000]}
      unit=${at.currency}
      height=${130}
      onHover=${setHovered}
    />
    <${CurveTable} caption=${`Prices of ${region}`} head=${['From', 'Per kWh', 'Load']} rows=${() => data.data.map((one) => [formatMoment(Date.parse(one.since), nowMs), formatPrice(one.price, one.currency), one.loadPercent === null ? 'set by hand' : `${Math.round(one.loadPercent)} %`])} />
  `;
}

/** Two points for each change, so that the curve has steps. @param {import('../bills/bill-types.js').Price[]} prices @param {number} nowMs */
function stepsOf(prices, nowMs) {
  const sorted = [...new Map(prices.map((price) => [price.since, price])).values()].sort((a, b) => (a.since < b.since ? -1 : 1));
  return sorted.flatMap(({ since, price, currency }, i) => {
    const end = sorted[i + 1] === undefined ? nowMs : Date.parse(sorted[i + 1].since) - 1;
    return [{ atMs: Date.parse(since), price: Number(price), currency }, { atMs: Math.max(Date.parse(since) + 1, end), price: Number(price), currency }];
  });
}
