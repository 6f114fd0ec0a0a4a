// @ts-check
import { html } from '../ui.js';
import { formatDecimal, formatDuration, formatTime, KIND_WORDS } from '../format.js';
import { HEALTH_WORDS } from '../meter-list.js';
import { routeHash } from '../route.js';

/**
 * A meter in the long list.
 * @param {object} props
 * @param {import('../wire-types.js').MeterSummary} props.meter
 * @param {number} props.row from 0
 * @param {number} props.topPx
 * @param {boolean} props.isCurrent the Tab key leads here
 * @param {number} props.nowMs
 * @param {() => void} props.onOpen
 * @param {() => void} props.onFocus
 */
export function MeterLine({ meter, row, topPx, isCurrent, nowMs, onOpen, onFocus }) {
  const newest = Date.parse(meter.newestTimestamp);
  return html`
    <div class=${`meter-line health-${meter.health}`} role="row" aria-rowindex=${row + 2} data-row=${row} style=${{ transform: `translateY(${topPx}px)` }} onClick=${onOpen}>
      <span role="rowheader"><a href=${routeHash({ region: meter.region, meterId: meter.meterId, alertId: null })} tabindex=${isCurrent ? 0 : -1} onFocus=${onFocus}>${meter.meterId}</a></span>
      <span role="cell" class="of">${meter.region}</span>
      <span role="cell"><span class="health">${HEALTH_WORDS[meter.health]}</span>${meter.openAnomalies.slice(0, 1).map((kind) => html` <span key=${kind} class="badge">${KIND_WORDS[kind] ?? kind}</span>`)}</span>
      <span role="cell" class="number">${formatDecimal(meter.lastPowerKw, 2)}</span>
      <span role="cell" class="number">${nowMs - newest < 60_000 ? formatTime(newest) : `${formatDuration(nowMs - newest)} ago`}</span>
    </div>
  `;
}
