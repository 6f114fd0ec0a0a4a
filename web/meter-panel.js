// @ts-check
import { html, useMemo, useState } from './ui.js';
import { AnomalyItems } from './anomaly-list.js';
import { getJson } from './api.js';
import { formatCount, formatDecimal, formatDuration, formatFull, formatMinute, formatPower, formatTime } from './format.js';
import { sortedAnomalies } from './grid-state.js';
import { CurveTable } from './curve-table.js';
import { LoadCurve } from './load-curve.js';
import { MeterCorrections } from './meters/meter-corrections.js';
import { MeterVoltage } from './meters/meter-voltage.js';
import { useRemote } from './remote-data.js';

const MINUTE_MS = 60_000;
/** As the gateway's list of anomalies goes back. */
const ANOMALIES_MS = 86_400_000;
/** Minutes of a day of 25 hours and some: today's windows come in one answer. */
const WINDOWS_TODAY_MAX = 1_600;
/** Closed windows come over REST; the open one is live. */
const REFRESH_MS = 30_000;
/** The band of what is usual: so many deviations around the mean. Of normal days, 95 in 100 minutes lie inside. */
const BAND_DEVIATIONS = 2;

/**
 * One meter: its last reading, live; its day against its baseline; its anomalies.
 *
 * @param {object} props
 * @param {import('./grid-state.js').MeterView} props.view
 * @param {ReadonlyMap<string, import('./wire-types.js').Anomaly> | null} props.anomalies
 * @param {number} props.nowMs
 */
export function MeterPanel({ view, anomalies, nowMs }) {
  const { meterId, now, error } = view;
  if (now === null) return html`<p class=${error === null ? 'note' : 'note error'}>${error ?? 'Loading the meter…'}</p>`;
  return html`
    ${error !== null && html`<p class="note error">${error}</p>`}
    ${now.meter.health === 'silent' && html`<p class="silent">Silent: it should have reported by now.</p>`}
    ${now.meter.health === 'historical' && html`<p class="note">Its readings are old ones that were imported; it is not expected to report.</p>`}
    ${now.meter.lastReading.status === 'ERROR' && html`<p class="silent">Its last reading reports an error of the meter, so it feeds no window.</p>`}
    <${LastReading} meter=${now.meter} nowMs=${nowMs} />
    <${DayCurve} key=${meterId} meter=${now.meter} openWindows=${now.openWindows} nowMs=${nowMs} />
    <${MeterAnomalies} meterId=${meterId} live=${anomalies} nowMs=${nowMs} />
  `;
}

/** @param {{ meter: import('./wire-types.js').Meter, nowMs: number }} props */
function LastReading({ meter, nowMs }) {
  const { lastReading, baseline } = meter;
  const taken = Date.parse(lastReading.timestamp);
  /** @param {number | null} value @param {string} unit @param {0 | 1 | 2} digits */
  const measured = (value, unit, digits) => (value === null ? '–' : `${formatDecimal(value, digits)} ${unit}`.trim());
  return html`
    <dl class="facts meter-facts">
      <div class="wide"><dt>Power</dt><dd class="big">${formatPower(lastReading.powerKw, 2)}</dd></div>
      <div><dt>Last reading</dt><dd>${formatTime(taken)}<span class="of"> ${formatDuration(nowMs - taken)} ago</span></dd></div>
      <div>
        <dt>Usual</dt>
        <dd>
          ${baseline.windows === 0 ? '–' : html`${formatDecimal(baseline.meanKw, 2)}<span class="of"> ± </span>${formatDecimal(baseline.deviationKw, 2)} kW`}
          ${!baseline.warm && html`<span class="of"> learning</span>`}
        </dd>
      </div>
      <div><dt>Voltage</dt><dd>${measured(lastReading.voltage, 'V', 1)}</dd></div>
      <div><dt>Current</dt><dd>${measured(lastReading.current, 'A', 2)}</dd></div>
      <div><dt>Frequency</dt><dd>${measured(lastReading.frequency, 'Hz', 2)}</dd></div>
      <div><dt>Power factor</dt><dd>${measured(lastReading.powerFactor, '', 2)}</dd></div>
      <div><dt>Readings</dt><dd>${meter.readings === null ? '–' : formatCount(meter.readings)}${meter.cadenceMs !== null && html`<span class="of">, every ${cadenceText(meter.cadenceMs)}</span>`}</dd></div>
    </dl>
  `;
}

/** @param {number} cadenceMs */
function cadenceText(cadenceMs) {
  return cadenceMs < 10_000 ? `${formatDecimal(cadenceMs / 1000, 1)} s` : formatDuration(cadenceMs);
}

/** @param {{ meter: import('./wire-types.js').Meter, openWindows: import('./wire-types.js').MeterWindow[], nowMs: number }} props */
function DayCurve({ meter, openWindows, nowMs }) {
  const { meterId } = meter;
  const midnightMs = new Date(nowMs).setHours(0, 0, 0, 0);
  const { data, error, refresh } = useRemote(
    `${meterId} ${midnightMs}`,
    (signal) =>
      /** @type {Promise<import('./wire-types.js').Page<import('./wire-types.js').MeterWindow>>} */ (
        getJson(
          `/meters/${encodeURIComponent(meterId)}/aggregates`,
          { granularity: '1m', from: new Date(midnightMs).toISOString(), limit: String(WINDOWS_TODAY_MAX) },
          signal,
        )
      ),
    REFRESH_MS,
  );
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  const curve = useMemo(() => dayCurve(data?.data ?? [], openWindows, meter.baseline), [data, openWindows, meter.baseline]);
  if (error !== null && data === null) return html`<p class="note error">${error} <button type="button" onClick=${refresh}>Try again</button></p>`;
  if (data === null) return html`<p class="note">Loading today's windows…</p>`;
  if (curve.windows.length === 0) {
    return html`<p class="note">No window today. The newest reading is of ${formatFull(Date.parse(meter.newestTimestamp))}.</p>`;
  }
  const at = hovered === null ? null : curve.windows[hovered];
  const startSeconds = Math.max(midnightMs / 1000, curve.seconds[0] - 60);
  return html`
    <div class="load-figures">
      <h3>Today, by the minute</h3>
      ${meter.baseline.warm && html`<p class="figure legend"><span class="swatch" aria-hidden="true"></span> usual range</p>`}
      <p class="figure figure-end">
        ${at
          ? html`${formatMinute(Date.parse(at.windowStart))} <strong>${formatPower(at.avgPowerKw, 2)}</strong> (${formatDecimal(at.minPowerKw, 2)} to ${formatDecimal(at.maxPowerKw, 2)})`
          : html`${formatCount(curve.windows.filter((window) => window !== null).length)} minutes`}
      </p>
    </div>
    <${LoadCurve}
      label=${`Power of ${meterId} today by the minute, now ${formatPower(meter.lastReading.powerKw, 2)}`}
      seconds=${curve.seconds}
      series=${[
        { values: curve.powerKw, color: '--accent' },
        ...(meter.baseline.warm
          ? [
              { values: curve.usualLow, color: '--muted', hidden: true },
              { values: curve.usualHigh, color: '--muted', hidden: true },
            ]
          : []),
      ]}
      bandFill=${meter.baseline.warm ? '--band' : undefined}
      range=${[startSeconds, nowMs / 1000]}
      height=${170}
      onHover=${setHovered}
    />
    <${CurveTable}
      caption=${`Minutes of ${meterId} today`}
      head=${['Minute', 'Mean', 'Lowest', 'Highest', 'Readings']}
      rows=${() => curve.windows.filter((window) => window !== null).reverse().map((window) => [formatMinute(Date.parse(window.windowStart)), formatPower(window.avgPowerKw, 2), formatDecimal(window.minPowerKw, 2), formatDecimal(window.maxPowerKw, 2), formatCount(window.count)])}
    />
    <${MeterVoltage} meterId=${meterId} windows=${curve.windows} range=${[startSeconds, nowMs / 1000]} />
    <${MeterCorrections} windows=${curve.windows} />
  `;
}

/**
 * Closed and open windows as one curve with a hole where minutes are missing, and the usual range at each point.
 * @param {import('./wire-types.js').MeterWindow[]} closed
 * @param {import('./wire-types.js').MeterWindow[]} open
 * @param {import('./wire-types.js').Meter['baseline']} baseline
 */
export function dayCurve(closed, open, baseline) {
  const byStart = new Map([...closed, ...open].filter(({ granularity }) => granularity === '1m').map((window) => [Date.parse(window.windowStart), window]));
  const usualByHour = new Map(baseline.hourOfWeek.map((usual) => [usual.hour, usual]));
  const curve = {
    /** @type {(import('./wire-types.js').MeterWindow | null)[]} */ windows: [],
    /** @type {number[]} */ seconds: [],
    /** @type {(number | null)[]} */ powerKw: [],
    /** @type {(number | null)[]} */ usualLow: [],
    /** @type {(number | null)[]} */ usualHigh: [],
  };
  let before = null;
  for (const start of [...byStart.keys()].sort((a, b) => a - b)) {
    if (before !== null && start - before > MINUTE_MS) addPoint(before + MINUTE_MS, null);
    addPoint(start, byStart.get(start) ?? null);
    before = start;
  }
  return curve;

  /** @param {number} start @param {import('./wire-types.js').MeterWindow | null} window */
  function addPoint(start, window) {
    const usual = usualByHour.get(hourOfWeek(start)) ?? baseline;
    curve.windows.push(window);
    curve.seconds.push((start + MINUTE_MS / 2) / 1000);
    curve.powerKw.push(window?.avgPowerKw ?? null);
    curve.usualLow.push(usual.meanKw - BAND_DEVIATIONS * usual.deviationKw);
    curve.usualHigh.push(usual.meanKw + BAND_DEVIATIONS * usual.deviationKw);
  }
}

/** 0 = Monday 00:00 UTC, as the engine counts. @param {number} epochMs */
function hourOfWeek(epochMs) {
  const time = new Date(epochMs);
  return ((time.getUTCDay() + 6) % 7) * 24 + time.getUTCHours();
}

/**
 * The meter's episodes of the last day from REST, brought up to date with what the live stream says.
 * @param {{ meterId: string, live: ReadonlyMap<string, import('./wire-types.js').Anomaly> | null, nowMs: number }} props
 */
function MeterAnomalies({ meterId, live, nowMs }) {
  const { data, error, refresh } = useRemote(
    meterId,
    (signal) => /** @type {Promise<import('./wire-types.js').Page<import('./wire-types.js').Anomaly>>} */ (getJson('/anomalies', { meterId, limit: '50' }, signal)),
    null,
  );
  const byId = new Map((data?.data ?? []).map((anomaly) => [anomaly.id, anomaly]));
  // The stream has the newest of all there are, be they of last year.
  const isShown = (/** @type {import('./wire-types.js').Anomaly} */ { startedAt, endedAt }) => endedAt === null || Date.parse(startedAt) >= nowMs - ANOMALIES_MS;
  for (const anomaly of live?.values() ?? []) if (anomaly.meterId === meterId && isShown(anomaly)) byId.set(anomaly.id, anomaly);
  return html`
    <h3>Anomalies of the last 24 hours</h3>
    ${error !== null && html`<p class="note error">${error} <button type="button" onClick=${refresh}>Try again</button></p>`}
    ${byId.size === 0 ? html`<p class="note">None.</p>` : html`<${AnomalyItems} anomalies=${sortedAnomalies(byId.values())} nowMs=${nowMs} />`}
  `;
}
