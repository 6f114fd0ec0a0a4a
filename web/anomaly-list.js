// @ts-check
import { html, useEffect, useRef, useState } from './ui.js';
import { SEVERITY_MARKS } from './alert-words.js';
import { formatDuration, formatMoment, KIND_WORDS, SEVERITY_WORDS } from './format.js';
import { sortedAnomalies } from './grid-state.js';

/**
 * What departs from the usual: open episodes first, newest first.
 *
 * @param {object} props
 * @param {ReadonlyMap<string, import('./wire-types.js').Anomaly> | null} props.anomalies null while they are not known
 * @param {number} props.nowMs
 * @param {(region: string, meterId: string) => void} props.onSelect
 */
export function AnomalyList({ anomalies, nowMs, onSelect }) {
  const [openOnly, setOpenOnly] = useState(false);
  const all = anomalies === null ? [] : sortedAnomalies(anomalies.values());
  const open = all.filter((anomaly) => anomaly.endedAt === null);
  const shown = openOnly ? open : all;
  return html`
    <div class="panel-head">
      <h2 id="anomalies-title">Anomalies</h2>
      <div class="toggle" role="group" aria-label="Which anomalies">
        <button type="button" aria-pressed=${String(!openOnly)} onClick=${() => setOpenOnly(false)}>All <span class="count">${all.length}</span></button>
        <button type="button" aria-pressed=${String(openOnly)} onClick=${() => setOpenOnly(true)}>Open <span class="count">${open.length}</span></button>
      </div>
    </div>
    <${CriticalAnnouncer} anomalies=${anomalies} />
    <div class="scroll" tabindex="0" role="group" aria-label="Open ones first, then the newest">
      <${AnomalyItems} anomalies=${shown} nowMs=${nowMs} onSelect=${onSelect} />
      ${shown.length === 0 && html`<p class="note">${emptyText(anomalies === null, openOnly)}</p>`}
    </div>
  `;
}

/** @param {boolean} waiting @param {boolean} openOnly */
function emptyText(waiting, openOnly) {
  if (waiting) return 'Waiting for the engine…';
  return openOnly ? 'Nothing is open: every meter behaves as usual.' : 'No anomalies yet. A meter is judged once it has a baseline, after some minutes of readings.';
}

/**
 * @param {object} props
 * @param {import('./wire-types.js').Anomaly[]} props.anomalies
 * @param {number} props.nowMs
 * @param {(region: string, meterId: string) => void} [props.onSelect] absent where all are of one meter
 */
export function AnomalyItems({ anomalies, nowMs, onSelect }) {
  return html`
    <ol class="anomalies">
      ${anomalies.map(
        (anomaly) => html`
          <li key=${anomaly.id} class=${`anomaly severity-${anomaly.severity} ${anomaly.endedAt === null ? 'open' : 'ended'}`}>
            <span class="severity"><span aria-hidden="true">${SEVERITY_MARKS[anomaly.severity]}</span> ${SEVERITY_WORDS[anomaly.severity]}</span>
            <span class="what">
              ${KIND_WORDS[anomaly.kind] ?? anomaly.kind}
              ${onSelect && html` · <button type="button" class="plain link" onClick=${() => onSelect(anomaly.region, anomaly.meterId)}>${anomaly.meterId}</button>`}
              ${onSelect && html`<span class="where"> ${anomaly.region}</span>`}
            </span>
            <span class="when">${whenText(anomaly, nowMs)}</span>
            <p>${anomaly.message}</p>
          </li>
        `,
      )}
    </ol>
  `;
}

/** @param {import('./wire-types.js').Anomaly} anomaly @param {number} nowMs */
function whenText(anomaly, nowMs) {
  const started = Date.parse(anomaly.startedAt);
  if (anomaly.endedAt === null) return `since ${formatMoment(started, nowMs)} · ${formatDuration(nowMs - started)}`;
  const how = anomaly.endReason === 'adapted' ? 'now usual' : 'over';
  return `${formatMoment(started, nowMs)} – ${formatMoment(Date.parse(anomaly.endedAt), nowMs)}, ${how}`;
}

/**
 * Speaks new critical episodes to screen readers; those that were there when the page opened are not news.
 * @param {{ anomalies: ReadonlyMap<string, import('./wire-types.js').Anomaly> | null }} props
 */
function CriticalAnnouncer({ anomalies }) {
  const known = useRef(/** @type {Set<string> | null} */ (null));
  const [text, setText] = useState('');
  useEffect(() => {
    if (anomalies === null) return;
    const critical = [...anomalies.values()].filter(({ severity, endedAt }) => severity === 'CRITICAL' && endedAt === null);
    const before = known.current;
    known.current = new Set(critical.map(({ id }) => id));
    const fresh = before === null ? [] : critical.filter(({ id }) => !before.has(id));
    if (fresh.length === 1) setText(`Critical: ${KIND_WORDS[fresh[0].kind]} at ${fresh[0].meterId}, ${fresh[0].region}. ${fresh[0].message}`);
    if (fresh.length > 1) setText(`${fresh.length} new critical anomalies, the first at ${fresh[0].meterId}, ${fresh[0].region}.`);
  }, [anomalies]);
  return html`<p class="hidden" role="alert" aria-live="assertive">${text}</p>`;
}
