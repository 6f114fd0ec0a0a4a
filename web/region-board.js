// @ts-check
import { html } from './ui.js';
import { formatCount, formatDecimal, formatMinute, formatPercent, loadLevel } from './format.js';
import { loadCurve } from './grid-state.js';
import { FORECAST_HOURS } from './load-forecast.js';
import { formatPrice } from './money.js';

const SPARK_WIDTH = 84;
const SPARK_HEIGHT = 22;

/**
 * Every region in a line: its curve, its load against its capacity, its meters, what a kWh costs, and what it will probably draw at most.
 *
 * @param {object} props
 * @param {import('./grid-state.js').GridState} props.state
 * @param {string | null} props.selected
 * @param {number} props.nowMs
 * @param {ReadonlyMap<string, import('./load-forecast.js').Forecast>} props.forecasts
 * @param {(region: string) => void} props.onSelect
 */
export function RegionBoard({ state, selected, nowMs, forecasts, onSelect }) {
  const hasPrices = (state.prices?.size ?? 0) > 0;
  const hasForecasts = [...forecasts.values()].some(({ peak }) => peak !== null);
  if (state.regions === null) return html`<p class="note">Waiting for the engine…</p>`;
  if (state.regions.size === 0) return html`<p class="note">No region is known yet: none is configured and no reading named one.</p>`;
  return html`
    <table class="regions">
      <thead>
        <tr>
          <th scope="col">Region</th>
          <th scope="col" class="spark-cell">Last hour</th>
          <th scope="col" class="bar-cell">Load of capacity</th>
          <th scope="col" class="number">kW</th>
          <th scope="col" class="number">Meters</th>
          ${hasForecasts && html`<th scope="col" class="number ahead-cell">Next ${FORECAST_HOURS} h</th>`}
          ${hasPrices && html`<th scope="col" class="number price-cell">Per kWh</th>`}
        </tr>
      </thead>
      <tbody>
        ${[...state.regions.values()].map(
          (region) => html`
            <${RegionRow}
              key=${region.region}
              region=${region}
              curve=${loadCurve(state, [region.region], nowMs)}
              selected=${region.region === selected}
              forecast=${hasForecasts ? (forecasts.get(region.region) ?? null) : undefined}
              price=${hasPrices ? (state.prices?.get(region.region) ?? null) : undefined}
              onSelect=${onSelect}
            />
          `,
        )}
      </tbody>
    </table>
  `;
}

/**
 * @param {object} props
 * @param {import('./wire-types.js').Region} props.region
 * @param {ReturnType<typeof loadCurve>} props.curve
 * @param {boolean} props.selected
 * @param {import('./load-forecast.js').Forecast | null | undefined} props.forecast null: none of this one; undefined: of none
 * @param {import('./bills/bill-types.js').Price | null | undefined} props.price
 * @param {(region: string) => void} props.onSelect
 */
function RegionRow({ region, curve, selected, forecast, price, onSelect }) {
  const { level, word, mark } = loadLevel(region.loadPercent);
  return html`
    <tr class=${`region level-${level}`} aria-current=${selected ? 'true' : undefined} onClick=${() => onSelect(region.region)}>
      <th scope="row">
        <button type="button" class="plain" onClick=${() => onSelect(region.region)}>${region.region}</button>
        ${region.openAnomalies > 0 &&
        html`<span class="badge" title="open anomalies">${region.openAnomalies}<span class="hidden"> open ${region.openAnomalies === 1 ? 'anomaly' : 'anomalies'}</span></span>`}
      </th>
      <td class="spark-cell"><${Spark} curve=${curve} top=${region.capacityKw} /></td>
      <td class="bar-cell">
        <div class="bar-line">
          <${LoadBar} percent=${region.loadPercent} />
          <span class="percent">${formatPercent(region.loadPercent)}</span>
          <span class="level-word">${mark && html`<span aria-hidden="true">${mark}</span> `}${word}</span>
        </div>
      </td>
      <td class="number">
        ${formatDecimal(region.loadKw, 1)}${region.capacityKw !== null && html`<span class="of"> / ${formatCount(region.capacityKw)}</span>`}
      </td>
      <td class="number meters-cell">
        ${formatCount(region.metersReporting)}${region.metersSilent > 0 && html`<span class="silent">${formatCount(region.metersSilent)} silent</span>`}
      </td>
      ${forecast !== undefined && html`<td class="number ahead-cell">${forecast === null || forecast.peak === null ? '–' : html`<${Ahead} peak=${forecast.peak} capacityKw=${region.capacityKw} />`}</td>`}
      ${price !== undefined &&
      html`<td class="number price-cell" title=${price === null ? '' : `${price.multiplier} times the usual price`}>${price === null ? '–' : formatPrice(price.price, price.currency)}${price?.override && html`<span class="of-override">set by hand</span>`}</td>`}
    </tr>
  `;
}

/** The highest that is expected. @param {{ peak: import('./load-forecast.js').Quarter, capacityKw: number | null }} props */
function Ahead({ peak, capacityKw }) {
  const percent = capacityKw === null ? null : (peak.powerKw / capacityKw) * 100;
  const { level } = loadLevel(percent);
  return html`<span class=${`ahead level-${level}`}>${percent === null ? formatDecimal(peak.powerKw, 1) : formatPercent(percent)}<span class="ahead-at">at ${formatMinute(peak.startMs)}</span></span>`;
}

/** The figure beside it says the same, so the bar is for the eye only. @param {{ percent: number | null }} props */
function LoadBar({ percent }) {
  const width = Math.max(0, Math.min(100, percent ?? 0));
  return html`<span class="bar" aria-hidden="true"><span class="bar-fill" style=${{ width: `${width}%` }}></span></span>`;
}

/**
 * A curve as small as a word, up to the capacity or its own peak; from zero, or from below where a region exports.
 * @param {{ curve: ReturnType<typeof loadCurve>, top: number | null }} props
 */
function Spark({ curve: { seconds, powerKw }, top }) {
  const high = Math.max(...powerKw.map((power) => power ?? 0), top ?? 0, 0.001);
  const low = Math.min(...powerKw.map((power) => power ?? 0), 0);
  /** @param {number} power */
  const height = (power) => (SPARK_HEIGHT - 1 - ((power - low) / (high - low)) * (SPARK_HEIGHT - 2)).toFixed(1);
  const zero = height(0);
  const [begin] = seconds;
  const spanSeconds = seconds[seconds.length - 1] - begin;
  let line = '';
  let area = '';
  /** @type {string | null} */
  let lastX = null;
  powerKw.forEach((power, index) => {
    const x = (((seconds[index] - begin) / spanSeconds) * SPARK_WIDTH).toFixed(1);
    if (power === null) {
      if (lastX !== null) area += `V${zero}Z`;
      lastX = null;
      return;
    }
    const y = height(power);
    line += `${lastX === null ? 'M' : 'L'}${x} ${y}`;
    area += `${lastX === null ? `M${x} ${zero}L` : 'L'}${x} ${y}`;
    lastX = x;
  });
  if (lastX !== null) area += `V${zero}Z`;
  return html`
    <svg class="spark" width=${SPARK_WIDTH} height=${SPARK_HEIGHT} viewBox=${`0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`} aria-hidden="true">
      <path class="spark-area" d=${area} />
      <path d=${line} />
    </svg>
  `;
}
