// @ts-check
import { html, useState } from './ui.js';
import { formatMinute, formatPercent, formatPower } from './format.js';
import { CURVE_MINUTES, loadCurve, totals } from './grid-state.js';
import { LoadCurve } from './load-curve.js';

/** A capacity this many times above the peak is named but not drawn: it would press the curve flat. */
const CAPACITY_DRAWN_UP_TO = 2.5;

/**
 * Load of some regions together over the last hour, with their capacity.
 *
 * @param {object} props
 * @param {import('./grid-state.js').GridState} props.state
 * @param {string[]} props.names
 * @param {string} props.of whose load, as `all regions`
 * @param {number} props.nowMs the engine's clock
 * @param {number} props.height
 */
export function GridLoad({ state, names, of, nowMs, height }) {
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  const { loadKw, capacityKw, metersReporting } = totals(state, names);
  const { seconds, powerKw } = loadCurve(state, names, nowMs);
  const peak = peakOf(powerKw);
  const drawn = capacityKw !== null && peak !== null && capacityKw <= (powerKw[peak] ?? 0) * CAPACITY_DRAWN_UP_TO;
  const summary = `Load of ${of}, last hour: now ${formatPower(loadKw)}${peak === null ? '' : `, peak ${formatPower(powerKw[peak] ?? 0)}`}`;
  const range = /** @type {[number, number]} */ ([nowMs / 1000 - CURVE_MINUTES * 60, nowMs / 1000]);
  return html`
    <div class="load-figures">
      <p class="figure"><strong>${metersReporting > 0 ? formatPower(loadKw) : '–'}</strong> now</p>
      ${capacityKw !== null && html`<p class="figure"><strong>${formatPercent(metersReporting > 0 ? (loadKw / capacityKw) * 100 : null)}</strong> of ${formatPower(capacityKw)}</p>`}
      <p class="figure figure-end">${pointText(seconds, powerKw, hovered, peak)}</p>
    </div>
    <${LoadCurve}
      label=${summary}
      seconds=${seconds}
      series=${[
        ...(drawn ? [{ values: seconds.map(() => capacityKw), color: '--muted', dashed: true }] : []),
        { values: powerKw, color: '--accent', fill: '--accent-wash' },
      ]}
      range=${range}
      height=${height}
      onHover=${setHovered}
    />
  `;
}

/** @param {(number | null)[]} powerKw */
function peakOf(powerKw) {
  let peak = null;
  for (let i = 0; i < powerKw.length; i++) {
    const power = powerKw[i];
    if (power !== null && (peak === null || power > (powerKw[peak] ?? 0))) peak = i;
  }
  return peak;
}

/** @param {number[]} seconds @param {(number | null)[]} powerKw @param {number | null} hovered @param {number | null} peak */
function pointText(seconds, powerKw, hovered, peak) {
  if (hovered !== null && hovered < seconds.length) {
    const power = powerKw[hovered];
    return html`${formatMinute(seconds[hovered] * 1000)} <strong>${power === null ? 'no readings' : formatPower(power)}</strong>`;
  }
  if (peak === null) return 'no minute complete yet';
  return html`peak <strong>${formatPower(powerKw[peak] ?? 0)}</strong> at ${formatMinute(seconds[peak] * 1000)}`;
}
