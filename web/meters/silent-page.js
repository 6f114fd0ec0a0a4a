// @ts-check
import { html, useState } from '../ui.js';
import { getJson } from '../api.js';
import { formatCount, formatDuration, formatMoment, SEVERITY_WORDS } from '../format.js';
import { SEVERITY_MARKS } from '../alert-words.js';
import { totals } from '../grid-state.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { goTo } from '../route.js';

const PAGE_ROWS = 50;
const REFRESH_MS = 10_000;

/**
 * Meters that should report and do not, and why the engine thinks so.
 * @param {{ state: import('../grid-state.js').GridState, nowMs: number }} props
 */
export function SilentPage({ state, nowMs }) {
  const names = [...(state.regions?.keys() ?? [])];
  const [region, setRegion] = useState(/** @type {string | null} */ (null));
  const [cursors, setCursors] = useState(/** @type {(string | null)[]} */ ([null]));
  const cursor = cursors[cursors.length - 1];
  const { data, error, refresh } = useRemote(
    `${region} ${cursor}`,
    (signal) =>
      /** @type {Promise<import('../wire-types.js').Page<import('../wire-types.js').Anomaly>>} */ (
        getJson('/anomalies', { kind: 'outage', open: 'true', region, limit: String(PAGE_ROWS), cursor }, signal)
      ),
    REFRESH_MS,
  );
  const { metersSilent, meters } = totals(state, region === null ? names : [region]);
  const silentRegions = names.filter((name) => (state.regions?.get(name)?.metersSilent ?? 0) > 0);
  return html`
    <section class="panel" aria-labelledby="silent-title">
      <div class="panel-head">
        <h2 id="silent-title">Silent meters</h2>
        <p class="reporting">${formatCount(metersSilent)} of ${formatCount(meters)}${silentRegions.length > 0 && region === null && `, in ${formatCount(silentRegions.length)} ${silentRegions.length === 1 ? 'region' : 'regions'}`}</p>
        <div class="filters">
          <select aria-label="Region of silent meters" value=${region ?? ''} onChange=${(/** @type {any} */ event) => { setRegion(event.target.value || null); setCursors([null]); }}>
            <option value="">All regions</option>
            ${names.map((name) => html`<option key=${name} value=${name}>${name}${silentRegions.includes(name) ? ` (${state.regions?.get(name)?.metersSilent})` : ''}</option>`)}
          </select>
        </div>
      </div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="outages" />`}
      ${data !== null && data.data.length === 0 && html`<${EmptyNote}>${metersSilent > 0 ? 'Meters are silent, and none long enough to be called an outage.' : 'Every meter that should report does.'}<//>`}
      ${data !== null && data.data.length > 0 && html`<${OutageTable} outages=${data.data} nowMs=${nowMs} />`}
      ${(cursors.length > 1 || data?.nextCursor) &&
      html`
        <nav class="pager" aria-label="Pages of silent meters">
          <button type="button" disabled=${cursors.length === 1} onClick=${() => setCursors(cursors.slice(0, -1))}>Previous</button>
          <span>Page ${cursors.length}</span>
          <button type="button" disabled=${!data?.nextCursor} onClick=${() => setCursors([...cursors, data?.nextCursor ?? null])}>Next</button>
        </nav>
      `}
    </section>
  `;
}

/** @param {{ outages: import('../wire-types.js').Anomaly[], nowMs: number }} props */
function OutageTable({ outages, nowMs }) {
  return html`
    <table class="outages">
      <thead><tr><th scope="col">Meter</th><th scope="col" class="region-cell">Region</th><th scope="col" class="why-cell">Why</th><th scope="col" class="number">Since</th></tr></thead>
      <tbody>
        ${outages.map(
          (outage) => html`
            <tr key=${outage.id} onClick=${() => goTo(outage.region, outage.meterId)}>
              <th scope="row"><button type="button" class="plain link">${outage.meterId}</button></th>
              <td class="of region-cell">${outage.region}</td>
              <td class="why-cell"><span class=${`severity-${outage.severity} tag`}><span aria-hidden="true">${SEVERITY_MARKS[outage.severity]}</span> ${SEVERITY_WORDS[outage.severity]}</span> ${outage.message}</td>
              <td class="number">${formatMoment(Date.parse(outage.startedAt), nowMs)}<span class="of">, ${formatDuration(nowMs - Date.parse(outage.startedAt))}</span></td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
