// @ts-check
import { html, useMemo, useState } from '../ui.js';
import { getJson } from '../api.js';
import { CurveTable } from '../curve-table.js';
import { formatMinute, formatPower } from '../format.js';
import { LoadCurve } from '../load-curve.js';
import { formatKwh } from '../money.js';
import { useRemote } from '../remote-data.js';

const QUARTER_MS = 900_000;
const REFRESH_MS = 60_000;

/**
 * The power of today by the quarter-hour, the one under way as it goes on.
 * @param {{ meterId: string, openWindows: import('../wire-types.js').MeterWindow[], nowMs: number }} props
 */
export function HomeUse({ meterId, openWindows, nowMs }) {
  const midnightMs = new Date(nowMs).setHours(0, 0, 0, 0);
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  const { data, error, refresh } = useRemote(
    `${meterId} ${midnightMs}`,
    (signal) =>
      /** @type {Promise<import('../wire-types.js').Page<import('../wire-types.js').MeterWindow>>} */ (
        getJson(`/meters/${encodeURIComponent(meterId)}/aggregates`, { granularity: '15m', from: new Date(midnightMs).toISOString(), limit: '110' }, signal)
      ),
    REFRESH_MS,
  );
  const quarters = useMemo(() => quartersOf([...(data?.data ?? []), ...openWindows.filter(({ granularity }) => granularity === '15m')], midnightMs), [data, openWindows, midnightMs]);
  if (error !== null && data === null) return html`<p class="note error">${error} <button type="button" onClick=${refresh}>Try again</button></p>`;
  if (data === null) return html`<p class="note">Loading today…</p>`;
  if (quarters.length === 0) return html`<p class="note">Nothing was measured today yet.</p>`;
  const kwh = quarters.reduce((sum, { energyKwh }) => sum + energyKwh, 0);
  const at = hovered === null ? undefined : quarters[hovered];
  return html`
    <div class="load-figures">
      <h3>Today</h3>
      <p class="figure"><strong>${formatKwh(kwh)}</strong> so far</p>
      <p class="figure figure-end">${at === undefined ? '' : html`${formatMinute(at.startMs)} <strong>${formatPower(at.powerKw, 2)}</strong>`}</p>
    </div>
    <${LoadCurve}
      label=${`Your power today by the quarter-hour, ${formatKwh(kwh)} so far`}
      seconds=${quarters.map(({ startMs }) => (startMs + QUARTER_MS / 2) / 1000)}
      series=${[{ values: quarters.map(({ powerKw }) => powerKw), color: '--accent', fill: '--accent-wash' }]}
      range=${[midnightMs / 1000, Math.max(nowMs, quarters[quarters.length - 1].startMs + QUARTER_MS) / 1000]}
      height=${170}
      onHover=${setHovered}
    />
    <${CurveTable} caption="Your power today" head=${['Quarter-hour', 'Power', 'Energy']} rows=${() => [...quarters].reverse().map(({ startMs, powerKw, energyKwh }) => [formatMinute(startMs), formatPower(powerKw, 2), formatKwh(energyKwh)])} />
  `;
}

/** One for each start, the newest word of it. @param {import('../wire-types.js').MeterWindow[]} windows @param {number} fromMs */
function quartersOf(windows, fromMs) {
  const byStart = new Map(windows.map((window) => [Date.parse(window.windowStart), window]));
  return [...byStart].filter(([startMs]) => startMs >= fromMs).sort(([a], [b]) => a - b).map(([startMs, { avgPowerKw, energyKwhSum }]) => ({ startMs, powerKw: avgPowerKw, energyKwh: energyKwhSum }));
}
