// @ts-check
import { html } from '../ui.js';
import { formatCount, formatMinute, formatPower } from '../format.js';

/** The newest; more are in the table of the day. */
const SHOWN_MAX = 12;

/**
 * Minutes that late readings changed after they were closed.
 * @param {{ windows: (import('../wire-types.js').MeterWindow | null)[] }} props
 */
export function MeterCorrections({ windows }) {
  const corrected = windows.filter((window) => window !== null && (window.revision ?? 0) > 0).reverse();
  return html`
    <h3>Corrections today</h3>
    ${corrected.length === 0
      ? html`<p class="note tight">None: every reading came in time.</p>`
      : html`
          <ul class="rows corrections">
            ${corrected.slice(0, SHOWN_MAX).map(
              (window) => html`<li key=${window?.windowStart}><span>${formatMinute(Date.parse(window?.windowStart ?? ''))}</span><span>${formatPower(window?.avgPowerKw ?? 0, 2)} <span class="of">of ${formatCount(window?.count ?? 0)} readings</span></span><span class="of">corrected ${window?.revision === 1 ? 'once' : `${formatCount(window?.revision ?? 0)} times`}</span></li>`,
            )}
          </ul>
          ${corrected.length > SHOWN_MAX && html`<p class="note tight">${formatCount(corrected.length - SHOWN_MAX)} more.</p>`}
        `}
  `;
}
