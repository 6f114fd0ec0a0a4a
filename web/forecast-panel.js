// @ts-check
import { html, useState } from './ui.js';
import { CurveTable } from './curve-table.js';
import { formatMinute, formatPercent, formatPower } from './format.js';
import { LoadCurve } from './load-curve.js';
import { loadForecast } from './load-forecast.js';
import { useRemote } from './remote-data.js';

const REFRESH_MS = 300_000;
export const BASIS_WORDS = { week: 'the same hours a week ago, at the level of the last hour', day: 'the same hours yesterday, at the level of the last hour' };

/** The hours ahead of a region against its capacity. @param {{ region: string, capacityKw: number | null }} props */
export function RegionForecast({ region, capacityKw }) {
  const { data, error } = useRemote(region, async (signal) => ({ forecast: await loadForecast(region, Date.now(), signal) }), REFRESH_MS);
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  if (error !== null) return html`<p class="note error">The forecast is missing: ${error}</p>`;
  if (data === null) return html`<p class="note">Loading the forecast…</p>`;
  const { forecast } = data;
  if (forecast === null) return html`<p class="note forecast-missing">No forecast yet: it goes by the same hours of a week ago, or of yesterday, and there is no day of history.</p>`;
  const { quarters, peak, basis } = forecast;
  const percent = capacityKw === null ? null : (peak.powerKw / capacityKw) * 100;
  const at = hovered === null ? peak : (quarters[hovered] ?? peak);
  const seconds = quarters.map(({ startMs }) => (startMs + 450_000) / 1000);
  return html`
    <div class="load-figures">
      <h3>Next 6 hours</h3>
      <p class="figure">${hovered === null ? 'peak' : ''} <strong>${formatPower(at.powerKw)}</strong> at ${formatMinute(at.startMs)}</p>
      ${percent !== null && html`<p class="figure"><strong class=${percent > 100 ? 'over' : ''}>${formatPercent(percent)}</strong> of the capacity${percent > 100 && ', more than there is'}</p>`}
    </div>
    <${LoadCurve}
      label=${`Forecast of ${region} for the next 6 hours: peak ${formatPower(peak.powerKw)} at ${formatMinute(peak.startMs)}`}
      seconds=${seconds}
      series=${[
        ...(capacityKw !== null && capacityKw <= peak.powerKw * 2.5 ? [{ values: seconds.map(() => capacityKw), color: '--muted', dashed: true }] : []),
        { values: quarters.map(({ powerKw }) => powerKw), color: '--forecast', fill: '--forecast-wash' },
      ]}
      range=${[seconds[0], seconds[seconds.length - 1]]}
      height=${96}
      onHover=${setHovered}
    />
    <p class="note tight">By ${BASIS_WORDS[basis]}. The engine itself forecasts no regions.</p>
    <${CurveTable} caption=${`Forecast of ${region}`} head=${['Quarter-hour', 'Expected']} rows=${() => quarters.map(({ startMs, powerKw }) => [formatMinute(startMs), formatPower(powerKw)])} />
  `;
}
