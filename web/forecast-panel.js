// @ts-check
import { html, useState } from './ui.js';
import { CurveTable } from './curve-table.js';
import { formatDecimal, formatMinute, formatPercent, formatPower } from './format.js';
import { LoadCurve } from './load-curve.js';
import { FORECAST_HOURS, loadForecast, REFRESH_MS } from './load-forecast.js';
import { useRemote } from './remote-data.js';

/** @typedef {import('./load-forecast.js').Forecast} Forecast */

/** A capacity this many times above the peak is named but not drawn: it would press the curve flat. */
const CAPACITY_DRAWN_UP_TO = 2.5;
const HALF_QUARTER_MS = 450_000;
const BASIS_WORDS = {
  weeks: 'the same hours of the same weekday in the last weeks, four at most, at the level of the last hours',
  day: 'the same hours of the day before, at the level of the last hours, as there is less than a week of history',
  both: 'the same hours of the last weeks, and of the day before in regions with less than a week of history, at the level of the last hours',
};
const MISSING_WORDS = { no_history: 'it goes by the same hours of the days before, and there is no day of history', silent: 'nothing has come from this region in the last day' };

/** The hours ahead of a region against its capacity. @param {{ region: string, capacityKw: number | null }} props */
export function RegionForecast({ region, capacityKw }) {
  const { data, error } = useRemote(region, (signal) => loadForecast(region, signal), REFRESH_MS);
  if (error !== null) return html`<p class="note error">The forecast is missing: ${error}</p>`;
  if (data === null) return html`<p class="note">Loading the forecast…</p>`;
  if (data.missing !== null) return html`<p class="note forecast-missing">No forecast yet: ${MISSING_WORDS[data.missing]}.</p>`;
  return html`<${ForecastCurve} of=${region} forecast=${data} capacityKw=${capacityKw} height=${110} />`;
}

/**
 * What is expected, dashed as it has not been, in the band that it was within before.
 * @param {{ of: string, forecast: Forecast, capacityKw: number | null, height: number }} props
 */
export function ForecastCurve({ of, forecast: { quarters, peak, basis, backtest }, capacityKw, height }) {
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  if (peak === null || basis === null) return null;
  const percent = capacityKw === null ? null : (peak.powerKw / capacityKw) * 100;
  const at = hovered === null ? peak : (quarters[hovered] ?? peak);
  const seconds = quarters.map(({ startMs }) => (startMs + HALF_QUARTER_MS) / 1000);
  const against = percent === null ? '' : `, ${formatPercent(percent)} of the capacity of ${formatPower(capacityKw ?? 0)}`;
  const hasBand = quarters.some(({ lowKw }) => lowKw !== null);
  return html`
    <div class="load-figures">
      <h3>Next ${FORECAST_HOURS} hours</h3>
      <p class="figure">${hovered === null ? 'peak' : ''} <strong>${formatPower(at.powerKw)}</strong> at ${formatMinute(at.startMs)}${at.lowKw !== null && at.highKw !== null && html` <span class="of">${formatPower(at.lowKw)} to ${formatPower(at.highKw)}</span>`}</p>
      ${percent !== null && html`<p class="figure"><strong class=${percent > 100 ? 'over' : ''}>${formatPercent(percent)}</strong> of the capacity${percent > 100 && ', more than there is'}</p>`}
    </div>
    <${LoadCurve}
      label=${`Forecast of ${of} for the next ${FORECAST_HOURS} hours: peak ${formatPower(peak.powerKw)} at ${formatMinute(peak.startMs)}${against}`}
      seconds=${seconds}
      series=${[
        ...(capacityKw !== null && capacityKw <= peak.powerKw * CAPACITY_DRAWN_UP_TO ? [{ values: seconds.map(() => capacityKw), color: '--muted', dashed: true }] : []),
        { values: quarters.map(({ powerKw }) => powerKw), color: '--forecast', dashed: true },
        { values: quarters.map(({ lowKw }) => lowKw), color: '--forecast', hidden: true },
        { values: quarters.map(({ highKw }) => highKw), color: '--forecast', hidden: true },
      ]}
      bandFill="--forecast-wash"
      range=${[seconds[0], seconds[seconds.length - 1]]}
      height=${height}
      onHover=${setHovered}
    />
    <p class="note tight">
      By ${BASIS_WORDS[basis]}.
      ${hasBand && ' Eight of ten such forecasts of the last days lay within the band.'}
      ${backtest !== null && backtest.mapePercent !== null && backtest.persistenceMapePercent !== null && ` A day ahead they were ${formatDecimal(backtest.mapePercent, 1)} % off in the mean, where “it stays as it is” was ${formatDecimal(backtest.persistenceMapePercent, 1)} %.`}
    </p>
    <${CurveTable}
      caption=${`Forecast of ${of}`}
      head=${['Quarter-hour', 'Expected', 'From', 'To', 'Of the capacity']}
      rows=${() => quarters.map(({ startMs, powerKw, lowKw, highKw }) => [formatMinute(startMs), formatPower(powerKw), lowKw === null ? '–' : formatPower(lowKw), highKw === null ? '–' : formatPower(highKw), capacityKw === null ? '–' : formatPercent((powerKw / capacityKw) * 100)])}
    />
  `;
}
