// @ts-check
import { html, useEffect, useRef, useState } from './ui.js';
import { AlertActions } from './alert-actions.js';
import { AlertDecisions } from './alert-decisions.js';
import { alertKindWord, EVENT_WORDS, figureText, metersText, SEVERITY_MARKS, SUPPRESSION_WORDS, TYPE_WORDS } from './alert-words.js';
import { getJson } from './api.js';
import { formatCount, formatDuration, formatMoment, SEVERITY_WORDS } from './format.js';
import { useRemote } from './remote-data.js';

/** From this width on, list and alert are side by side (layout.css). */
const SIDE_BY_SIDE = '(min-width: 1080px)';

/**
 * One alert: what is wrong, what can be done about it, and how it came to this. Mount it anew (key) for another.
 *
 * @param {object} props
 * @param {string} props.alertId
 * @param {import('./wire-types.js').Alert} [props.live] as the stream has it; absent when it is not active
 * @param {boolean} props.isPlaced the list before it is there
 * @param {number} props.nowMs
 * @param {(alertId: string | null) => void} props.onOpen
 * @param {(region: string, meterId?: string) => void} props.onPlace
 * @param {(alert: import('./wire-types.js').Alert) => void} props.onChanged
 */
export function AlertDetail({ alertId, live, isPlaced, nowMs, onOpen, onPlace, onChanged }) {
  const { data, error, refresh } = useRemote(
    alertId,
    (signal) => /** @type {Promise<import('./wire-types.js').AlertDetail>} */ (getJson(`/alerts/${encodeURIComponent(alertId)}`, {}, signal)),
    null,
  );
  // Each change has left a line in the history; that it is not active any more has, too.
  useEffect(() => {
    if (data !== null && live?.version !== data.version) refresh();
  }, [live?.version]);
  const alert = live !== undefined && (data === null || live.version > data.version) ? live : data;
  const section = useFocused(isPlaced);
  const close = () => {
    onOpen(null);
    setTimeout(() => (document.getElementById(`alert-${alertId}`) ?? document.getElementById('alerts-title'))?.focus());
  };
  return html`
    <section class="alert-detail" aria-labelledby="alert-title" ref=${section} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && close()}>
      <div class="panel-head">
        <h3 id="alert-title" tabindex="-1">${alert?.title ?? 'Alert'}</h3>
        <button type="button" onClick=${close}>Close</button>
      </div>
      ${error !== null && html`<p class="note error">${error} <button type="button" onClick=${refresh}>Try again</button></p>`}
      ${alert === null && error === null && html`<p class="note">Loading the alert…</p>`}
      ${alert !== null &&
      html`
        <p>${alert.description}</p>
        <${Facts} alert=${alert} nowMs=${nowMs} onPlace=${onPlace} />
        <${SuppressionNote} alert=${alert} nowMs=${nowMs} onOpen=${onOpen} />
        <${AlertActions} alert=${alert} nowMs=${nowMs} onChanged=${onChanged} onRefused=${refresh} />
        <${Accounts} alert=${alert} history=${data?.history ?? null} nowMs=${nowMs} />
      `}
    </section>
  `;
}

/** Whoever opens an alert goes on in it, also without a mouse; where it lies below the list it is brought up. @param {boolean} isPlaced */
function useFocused(isPlaced) {
  const section = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const title = /** @type {HTMLElement | null} */ (section.current?.querySelector('#alert-title') ?? null);
    title?.focus({ preventScroll: true });
  }, []);
  // A link leads here before the list above has its content, which would push it out of sight again.
  useEffect(() => {
    section.current?.scrollIntoView({ block: matchMedia(SIDE_BY_SIDE).matches ? 'nearest' : 'start' });
  }, [isPlaced]);
  return section;
}

/** @param {{ alert: import('./wire-types.js').Alert, nowMs: number, onPlace: (region: string, meterId?: string) => void }} props */
function Facts({ alert, nowMs, onPlace }) {
  const { region, meterId, component, acknowledged, resolved, severity } = alert;
  const started = Date.parse(alert.startedAt);
  const ended = resolved === null ? nowMs : Date.parse(resolved.at);
  return html`
    <dl class="facts meter-facts">
      <div><dt>Severity</dt><dd class=${`alert-severity severity-${severity} ${alert.state}`}><span aria-hidden="true">${SEVERITY_MARKS[severity]}</span> ${SEVERITY_WORDS[severity]}</dd></div>
      <div><dt>What</dt><dd>${TYPE_WORDS[alert.type] ?? alert.type}${alert.type === 'ANOMALY' && html`<span class="of">, ${alertKindWord(alert.kind)}</span>`}</dd></div>
      ${region !== null && html`<div><dt>Region</dt><dd><button type="button" class="plain link" onClick=${() => onPlace(region)}>${region}</button></dd></div>`}
      ${region !== null && meterId !== null && html`<div><dt>Meter</dt><dd><button type="button" class="plain link" onClick=${() => onPlace(region, meterId)}>${meterId}</button></dd></div>`}
      ${component !== null && html`<div><dt>Part of the engine</dt><dd>${component}</dd></div>`}
      ${alert.value !== null && html`<div><dt>Measured</dt><dd>${figureText(alert)}</dd></div>`}
      ${alert.affectedMeters > 0 && html`<div><dt>Affected</dt><dd>${metersText(alert.affectedMeters)}</dd></div>`}
      <div><dt>Since</dt><dd>${formatMoment(started, nowMs)}<span class="of"> ${resolved === null ? '' : 'for '}${formatDuration(ended - started)}</span></dd></div>
      <div><dt>Raised</dt><dd>${formatMoment(Date.parse(alert.openedAt), nowMs)}<span class="of"> by ${alert.rule}</span></dd></div>
      ${alert.occurrences > 1 && html`<div><dt>Came back</dt><dd>${formatCount(alert.occurrences - 1)} times</dd></div>`}
      ${acknowledged !== null && html`<div><dt>Acknowledged</dt><dd><${DeedText} deed=${acknowledged} nowMs=${nowMs} /></dd></div>`}
      ${resolved !== null && html`<div><dt>Resolved</dt><dd><${DeedText} deed=${resolved} nowMs=${nowMs} /></dd></div>`}
    </dl>
  `;
}

/** @param {{ deed: import('./wire-types.js').Deed, nowMs: number }} props */
function DeedText({ deed, nowMs }) {
  return html`${formatMoment(Date.parse(deed.at), nowMs)}<span class="of"> by ${deed.by ?? 'the engine'}${deed.why && `: ${deed.why}`}</span>`;
}

/** Why nobody is told. @param {{ alert: import('./wire-types.js').Alert, nowMs: number, onOpen: (alertId: string) => void }} props */
function SuppressionNote({ alert: { suppression, state }, nowMs, onOpen }) {
  const silenceId = suppression?.by === 'silence' || suppression?.by === 'maintenance' ? suppression.id : null;
  const { data: silence } = useRemote(
    String(silenceId),
    async (signal) => {
      if (silenceId === null) return null;
      return /** @type {Promise<import('./wire-types.js').Silence>} */ (getJson(`/${suppression?.by === 'silence' ? 'silences' : 'maintenance-windows'}/${encodeURIComponent(silenceId)}`, {}, signal));
    },
    null,
  );
  if (suppression === null || state === 'resolved') return null;
  return html`
    <p class="note">
      Nobody is told: it is ${SUPPRESSION_WORDS[suppression.by]}${silence && html` until ${formatMoment(Date.parse(silence.endsAt), nowMs)}, by ${silence.createdBy}: ${silence.comment}`}.
      ${suppression.by === 'inhibition' && html` <button type="button" class="plain link" onClick=${() => onOpen(suppression.id)}>Show that alert</button>`}
    </p>
  `;
}

/**
 * How it came to this: what happened, or who was told and why.
 * @param {{ alert: import('./wire-types.js').Alert, history: import('./wire-types.js').AlertEvent[] | null, nowMs: number }} props
 */
function Accounts({ alert, history, nowMs }) {
  const [isExplained, setExplained] = useState(false);
  return html`
    <div class="toggle accounts" role="group" aria-label="How it came to this">
      <button type="button" aria-pressed=${String(!isExplained)} onClick=${() => setExplained(false)}>History</button>
      <button type="button" aria-pressed=${String(isExplained)} onClick=${() => setExplained(true)}>Why was I paged, or not?</button>
    </div>
    ${isExplained ? html`<${AlertDecisions} alertId=${alert.id} version=${alert.version} nowMs=${nowMs} />` : html`<${History} history=${history} nowMs=${nowMs} />`}
  `;
}

/** Newest first: what somebody opens an alert for. @param {{ history: import('./wire-types.js').AlertEvent[] | null, nowMs: number }} props */
function History({ history, nowMs }) {
  if (history === null) return html`<p class="note">Loading its history…</p>`;
  return html`
    <ol class="account" reversed>
      ${[...history].reverse().map(
        (event) => html`
          <li key=${event.sequence}>
            <time datetime=${event.at}>${formatMoment(Date.parse(event.at), nowMs)}</time>
            <span><strong>${EVENT_WORDS[event.kind] ?? event.kind}</strong>${event.by && ` by ${event.by}`}<span class="of"> ${event.text}</span></span>
          </li>
        `,
      )}
    </ol>
  `;
}
