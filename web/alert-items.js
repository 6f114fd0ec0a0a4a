// @ts-check
import { html, useState } from './ui.js';
import { metersText, SEVERITY_MARKS, SUPPRESSION_WORDS } from './alert-words.js';
import { formatCount, formatDuration, formatMoment, SEVERITY_WORDS } from './format.js';

/** Alerts a page: a storm of a thousand costs no more to draw than a screen of them. */
const PAGE_ROWS = 20;

/**
 * Alerts in lines, page by page. Mount it anew (key) for another filter.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {import('./wire-types.js').Alert[]} props.alerts
 * @param {string | null} props.alertId the one that was opened
 * @param {number} props.nowMs
 * @param {(alertId: string) => void} props.onOpen
 */
export function AlertItems({ label, alerts, alertId, nowMs, onOpen }) {
  const [wanted, setPage] = useState(0);
  const pages = Math.max(1, Math.ceil(alerts.length / PAGE_ROWS));
  const page = Math.min(wanted, pages - 1);
  const first = page * PAGE_ROWS;
  const rows = alerts.slice(first, first + PAGE_ROWS);
  if (rows.length === 0) return null;
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <ol class="alerts" start=${first + 1}>
        ${rows.map((alert) => html`<${AlertRow} key=${alert.id} alert=${alert} isOpened=${alert.id === alertId} nowMs=${nowMs} onOpen=${onOpen} />`)}
      </ol>
    </div>
    ${pages > 1 &&
    html`
      <nav class="pager" aria-label=${`Pages of: ${label}`}>
        <button type="button" disabled=${page === 0} onClick=${() => setPage(page - 1)}>Previous</button>
        <span>${formatCount(first + 1)}–${formatCount(first + rows.length)} of ${formatCount(alerts.length)}</span>
        <button type="button" disabled=${page === pages - 1} onClick=${() => setPage(page + 1)}>Next</button>
      </nav>
    `}
  `;
}

/** @param {{ alert: import('./wire-types.js').Alert, isOpened: boolean, nowMs: number, onOpen: (alertId: string) => void }} props */
function AlertRow({ alert, isOpened, nowMs, onOpen }) {
  const started = Date.parse(alert.startedAt);
  return html`
    <li class=${`alert severity-${alert.severity} ${alert.state} ${alert.suppression === null ? '' : 'quiet'}`} aria-current=${isOpened ? 'true' : undefined} onClick=${() => onOpen(alert.id)}>
      <span class="severity"><span aria-hidden="true">${SEVERITY_MARKS[alert.severity]}</span> ${SEVERITY_WORDS[alert.severity]}</span>
      <span class="what">
        <button type="button" class="plain" id=${`alert-${alert.id}`} onClick=${() => onOpen(alert.id)}>${alert.title}</button>
        <span class="where"> ${placeText(alert)}</span>
      </span>
      <span class="meters-affected">${metersText(alert.affectedMeters)}</span>
      <span class="alert-state">${stateText(alert)}</span>
      <span class="when">since <time datetime=${alert.startedAt}>${formatMoment(started, nowMs)}</time> · ${formatDuration(nowMs - started)}</span>
    </li>
  `;
}

/** Where it is, unless its title says so. @param {import('./wire-types.js').Alert} alert */
function placeText({ title, region, meterId, component }) {
  return [region, meterId, component].filter((place) => place !== null && !title.includes(place)).join(' ');
}

/** @param {import('./wire-types.js').Alert} alert */
function stateText({ state, acknowledged, suppression, isFlapping, occurrences }) {
  const words = [];
  if (suppression !== null) words.push(SUPPRESSION_WORDS[suppression.by]);
  else if (isFlapping) words.push('flapping');
  if (state === 'acknowledged') words.push(acknowledged?.by ? `${acknowledged.by} has it` : 'acknowledged');
  if (words.length === 0) words.push('open');
  if (occurrences > 1) words.push(`${formatCount(occurrences)} times`);
  return words.join(', ');
}
