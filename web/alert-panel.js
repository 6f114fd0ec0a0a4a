// @ts-check
import { html, useEffect, useMemo, useRef, useState } from './ui.js';
import { AlertDetail } from './alert-detail.js';
import { AlertItems } from './alert-items.js';
import { alertCounts, alertRegions, ALERTS_MAX, ENGINE, filteredAlerts } from './alert-state.js';
import { SUPPRESSION_WORDS } from './alert-words.js';
import { formatCount, formatTime } from './format.js';

/**
 * What deserves a person: active alerts, the worst first, beside the one that was opened.
 *
 * @param {object} props
 * @param {import('./grid-state.js').GridState} props.state
 * @param {boolean} props.isLive
 * @param {number | null} props.pictureMs when the last message came, by the engine's clock
 * @param {string | null} props.alertId the one that was opened
 * @param {number} props.nowMs
 * @param {(alertId: string | null) => void} props.onOpen
 * @param {(region: string, meterId?: string) => void} props.onPlace
 * @param {(alert: import('./wire-types.js').Alert) => void} props.onChanged
 */
export function AlertPanel({ state, isLive, pictureMs, alertId, nowMs, onOpen, onPlace, onChanged }) {
  const { alerts, engine } = state;
  const [filter, setFilter] = useState(/** @type {import('./alert-state.js').AlertFilter} */ ({ severity: 'INFO', region: null }));
  const listed = useMemo(() => filteredAlerts(alerts ?? new Map(), filter), [alerts, filter]);
  const isOff = engine !== null && engine.alerts === null;
  const live = alertId === null ? undefined : alerts?.get(alertId);
  return html`
    <div class="panel-head">
      <h2 id="alerts-title" tabindex="-1">Alerts</h2>
      ${!isOff && alerts !== null && html`<p class="reporting">${countsText(alertCounts(alerts))}</p>`}
      ${alerts !== null && alerts.size > 0 && html`<${Filters} alerts=${alerts} filter=${filter} onFilter=${setFilter} />`}
    </div>
    <${AlertAnnouncer} alerts=${alerts} />
    <${AwayNote} engine=${engine} isLive=${isLive} pictureMs=${pictureMs} />
    <div class=${`alert-columns ${alertId === null ? '' : 'with-detail'}`}>
      <div class="alert-lists">
        ${isOff
          ? html`<p class="note">This engine raises no alerts (<code>SEG_ALERTS</code> is off).</p>`
          : html`<${Lists} listed=${listed} filter=${filter} state=${state} alertId=${alertId} nowMs=${nowMs} onOpen=${onOpen} />`}
      </div>
      ${alertId !== null && html`<${AlertDetail} key=${alertId} alertId=${alertId} live=${live} isPlaced=${alerts !== null} nowMs=${nowMs} onOpen=${onOpen} onPlace=${onPlace} onChanged=${onChanged} />`}
    </div>
  `;
}

/** @param {import('./alert-state.js').AlertCounts} counts */
function countsText({ open, critical, acknowledged, heldBack }) {
  const others = [acknowledged > 0 && `${formatCount(acknowledged)} acknowledged`, heldBack > 0 && `${formatCount(heldBack)} held back`].filter(Boolean);
  return html`${formatCount(open)} open${critical > 0 && html`, <strong class="over">${formatCount(critical)} critical</strong>`}${others.length > 0 && ` · ${others.join(' · ')}`}`;
}

/** Why the list may be old. @param {{ engine: import('./wire-types.js').Engine | null, isLive: boolean, pictureMs: number | null }} props */
function AwayNote({ engine, isLive, pictureMs }) {
  const alerting = engine?.alerts ?? null;
  if (!isLive && pictureMs !== null) return html`<p class="note error">The stream is away: these are the alerts of ${formatTime(pictureMs)}. Newer ones are not shown.</p>`;
  if (!isLive || alerting === null || alerting.state === 'up') return null;
  if (alerting.state === 'starting') return html`<p class="note">Alerts are starting…</p>`;
  return html`<p class="note error">Alerts are being restarted, and nobody is told of new ones until then. ${alerting.problem}</p>`;
}

/**
 * @param {object} props
 * @param {ReturnType<typeof filteredAlerts>} props.listed
 * @param {import('./alert-state.js').AlertFilter} props.filter
 * @param {import('./grid-state.js').GridState} props.state
 * @param {string | null} props.alertId
 * @param {number} props.nowMs
 * @param {(alertId: string) => void} props.onOpen
 */
function Lists({ listed: { shown, heldBack }, filter, state: { alerts, engine }, alertId, nowMs, onOpen }) {
  if (alerts === null) return html`<p class="note">Waiting for the engine…</p>`;
  const active = engine?.alerts?.active ? Object.values(engine.alerts.active.bySeverity).reduce((sum, count) => sum + count, 0) : 0;
  const key = `${filter.severity} ${filter.region}`;
  return html`
    ${shown.length === 0 && html`<p class="note">${alerts.size === heldBack.length ? 'No alert is open.' : 'No alert matches the filter.'}</p>`}
    <${AlertItems} key=${key} label="Active alerts" alerts=${shown} alertId=${alertId} nowMs=${nowMs} onOpen=${onOpen} />
    ${active > ALERTS_MAX && html`<p class="note">The worst ${formatCount(alerts.size)} of ${formatCount(active)} are listed.</p>`}
    ${heldBack.length > 0 &&
    html`
      <details class="held-back">
        <summary>${formatCount(heldBack.length)} held back: ${reasonsText(heldBack)}</summary>
        <${AlertItems} key=${key} label="Alerts that nobody is told of" alerts=${heldBack} alertId=${alertId} nowMs=${nowMs} onOpen=${onOpen} />
      </details>
    `}
  `;
}

/** `3 silenced, 1 flapping` @param {import('./wire-types.js').Alert[]} heldBack */
function reasonsText(heldBack) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { suppression } of heldBack) if (suppression) counts.set(suppression.by, (counts.get(suppression.by) ?? 0) + 1);
  return [...counts].map(([by, count]) => `${formatCount(count)} ${SUPPRESSION_WORDS[/** @type {keyof typeof SUPPRESSION_WORDS} */ (by)]}`).join(', ');
}

/**
 * @param {object} props
 * @param {import('./alert-state.js').Alerts} props.alerts
 * @param {import('./alert-state.js').AlertFilter} props.filter
 * @param {(filter: import('./alert-state.js').AlertFilter) => void} props.onFilter
 */
function Filters({ alerts, filter, onFilter }) {
  const regions = useMemo(() => alertRegions(alerts), [alerts]);
  // One whose last alert has ended stays to be seen, and to be taken back.
  if (filter.region !== null && !regions.includes(filter.region)) regions.push(filter.region);
  return html`
    <div class="filters">
      <select aria-label="Severity of alerts" value=${filter.severity} onChange=${(/** @type {any} */ event) => onFilter({ ...filter, severity: event.target.value })}>
        <option value="INFO">All severities</option>
        <option value="WARN">Warning and critical</option>
        <option value="CRITICAL">Critical</option>
      </select>
      <select aria-label="Region of alerts" value=${filter.region ?? ''} onChange=${(/** @type {any} */ event) => onFilter({ ...filter, region: event.target.value || null })}>
        <option value="">All regions</option>
        ${regions.map((region) => html`<option key=${region} value=${region}>${region === ENGINE ? 'The engine itself' : region}</option>`)}
      </select>
    </div>
  `;
}

/**
 * Speaks new critical alerts to screen readers; those that were there when the page opened are not news.
 * @param {{ alerts: import('./alert-state.js').Alerts | null }} props
 */
function AlertAnnouncer({ alerts }) {
  const known = useRef(/** @type {Set<string> | null} */ (null));
  const [text, setText] = useState('');
  useEffect(() => {
    if (alerts === null) return;
    const critical = [...alerts.values()].filter(({ severity, state, suppression }) => severity === 'CRITICAL' && state === 'open' && suppression === null);
    const before = known.current;
    known.current = new Set(critical.map(({ id }) => id));
    const fresh = before === null ? [] : critical.filter(({ id }) => !before.has(id));
    if (fresh.length === 1) setText(`Critical alert: ${fresh[0].title}.`);
    if (fresh.length > 1) setText(`${fresh.length} new critical alerts, one of them: ${fresh[0].title}.`);
  }, [alerts]);
  return html`<p class="hidden" aria-live="assertive">${text}</p>`;
}
