// @ts-check
import { html, useState } from '../ui.js';
import { CurveTable } from '../curve-table.js';
import { formatDecimal, formatMinute } from '../format.js';
import { LoadCurve } from '../load-curve.js';

/** Of EN 50160: more than a tenth off the nominal voltage is out of band. Shown at least, so that a calm day looks calm. */
const SHOWN_AROUND = 0.1;
/** Supply voltages there are; a meter's is the one it is nearest to. */
const NOMINAL_V = [100, 110, 120, 127, 220, 230, 240];

/**
 * The voltage of a day: its mean, and how far it went down and up. Nothing where no reading carried one.
 * @param {{ meterId: string, windows: (import('../wire-types.js').MeterWindow | null)[], range: [number, number] }} props
 */
export function MeterVoltage({ meterId, windows, range }) {
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  const measured = windows.filter((window) => window !== null && window.voltageAvg !== null);
  if (measured.length === 0) return null;
  const points = windows.map((window) => ({ at: window === null ? null : Date.parse(window.windowStart), mean: window?.voltageAvg ?? null, low: window?.voltageMin ?? null, high: window?.voltageMax ?? null }));
  // A hole has no time of its own; it lies after the point before.
  const seconds = points.map(({ at }, i) => ((at ?? (points[i - 1]?.at ?? 0) + 60_000) + 30_000) / 1000);
  const mean = measured.reduce((sum, window) => sum + (window?.voltageAvg ?? 0), 0) / measured.length;
  const nominal = NOMINAL_V.reduce((best, volts) => (Math.abs(volts - mean) < Math.abs(best - mean) ? volts : best));
  const low = Math.min(...measured.map((window) => window?.voltageMin ?? nominal));
  const high = Math.max(...measured.map((window) => window?.voltageMax ?? nominal));
  const at = hovered === null ? undefined : points[hovered];
  return html`
    <div class="load-figures">
      <h3>Voltage today</h3>
      <p class="figure legend"><span class="swatch" aria-hidden="true"></span> lowest to highest</p>
      <p class="figure figure-end">
        ${at !== undefined && at.mean !== null && at.at !== null
          ? html`${formatMinute(at.at)} <strong>${formatDecimal(at.mean, 1)} V</strong> (${formatDecimal(at.low ?? at.mean, 1)} to ${formatDecimal(at.high ?? at.mean, 1)})`
          : html`<strong>${formatDecimal(low, 1)} to ${formatDecimal(high, 1)} V</strong>`}
      </p>
    </div>
    <${LoadCurve}
      label=${`Voltage of ${meterId} today, ${formatDecimal(low, 1)} to ${formatDecimal(high, 1)} V`}
      seconds=${seconds}
      series=${[
        { values: points.map((point) => point.mean), color: '--voltage' },
        { values: seconds.map(() => nominal * (1 - SHOWN_AROUND)), color: '--muted', dashed: true },
        { values: seconds.map(() => nominal * (1 + SHOWN_AROUND)), color: '--muted', dashed: true },
        { values: points.map((point) => point.low), color: '--muted', hidden: true },
        { values: points.map((point) => point.high), color: '--muted', hidden: true },
      ]}
      bandFill="--band"
      range=${range}
      unit="V"
      yRange=${[nominal * (1 - SHOWN_AROUND * 1.2), nominal * (1 + SHOWN_AROUND * 1.2)]}
      height=${120}
      onHover=${setHovered}
    />
    <${CurveTable}
      caption=${`Voltage of ${meterId} today`}
      head=${['Minute', 'Mean', 'Lowest', 'Highest']}
      rows=${() => points.filter(({ mean: volts }) => volts !== null).reverse().map((point) => [formatMinute(point.at ?? 0), `${formatDecimal(point.mean ?? 0, 1)} V`, formatDecimal(point.low ?? 0, 1), formatDecimal(point.high ?? 0, 1)])}
    />
  `;
}
