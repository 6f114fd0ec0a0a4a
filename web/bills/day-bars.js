// @ts-check
import { html } from '../ui.js';
import { CurveTable } from '../curve-table.js';
import { formatDay, formatKwh } from '../money.js';

const WIDTH = 640;
const HEIGHT = 120;
const FOOT = 18;

/**
 * Use by day as bars; what was given to the grid goes down from the line.
 * @param {{ days: { date: string, importKwh: string, exportKwh: string }[], caption: string }} props
 */
export function DayBars({ days, caption }) {
  const use = days.map(({ importKwh }) => Number(importKwh));
  const given = days.map(({ exportKwh }) => Number(exportKwh));
  const high = Math.max(...use, 0.001);
  const low = Math.max(...given, 0);
  const scale = (HEIGHT - FOOT - 4) / (high + low);
  const base = 4 + high * scale;
  const step = WIDTH / days.length;
  const sum = use.reduce((total, kwh) => total + kwh, 0);
  const marked = Math.max(1, Math.ceil(days.length / 8));
  return html`
    <div class="load-figures"><p class="figure">a day <strong>${formatKwh(sum / days.length)}</strong> on average</p><p class="figure">at most <strong>${formatKwh(high)}</strong></p></div>
    <svg class="day-bars" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`${caption}: ${formatKwh(sum / days.length)} a day on average, ${formatKwh(high)} at most`}>
      ${days.map(
        ({ date }, i) => html`
          <g key=${date}>
            <title>${formatDay(date)}: ${formatKwh(use[i])}${given[i] > 0 ? `, given ${formatKwh(given[i])}` : ''}</title>
            <rect class="use" x=${i * step + step * 0.12} width=${step * 0.76} y=${base - use[i] * scale} height=${Math.max(0.5, use[i] * scale)} />
            ${given[i] > 0 && html`<rect class="given" x=${i * step + step * 0.12} width=${step * 0.76} y=${base + 1} height=${given[i] * scale} />`}
          </g>
        `,
      )}
    </svg>
    <p class="day-marks" aria-hidden="true">${days.map(({ date }, i) => i % marked === 0 && html`<span key=${date} style=${{ left: `${((i + 0.5) / days.length) * 100}%` }}>${Number(date.slice(8))}</span>`)}</p>
    <${CurveTable} caption=${caption} head=${['Day', 'Used', 'Given']} rows=${() => days.map(({ date, importKwh, exportKwh }) => [formatDay(date), formatKwh(importKwh), formatKwh(exportKwh)])} />
  `;
}
