// @ts-check
import { html, useState } from './ui.js';
import { getJson } from './api.js';
import { formatDecimal, formatDuration, formatFull, formatTime, KIND_WORDS } from './format.js';
import { useRemote } from './remote-data.js';

/** Meters a page: what fits beside the region board. */
const PAGE_ROWS = 12;
/** A list is looked over, not watched; the meter's own panel is live. */
const REFRESH_MS = 5_000;

export const HEALTH_WORDS = { reporting: 'Reporting', silent: 'Silent', historical: 'Imported' };

/**
 * The meters of a region, page by page. Mount it anew (key) for another region.
 *
 * @param {object} props
 * @param {string} props.region
 * @param {number} props.nowMs
 * @param {(meterId: string) => void} props.onSelect
 */
export function MeterList({ region, nowMs, onSelect }) {
  // Cursors lead forward only, so those of the pages before are kept to go back.
  const [cursors, setCursors] = useState(/** @type {(string | null)[]} */ ([null]));
  const cursor = cursors[cursors.length - 1];
  const { data, error, refresh } = useRemote(
    `${region} ${cursor}`,
    (signal) =>
      /** @type {Promise<import('./wire-types.js').Page<import('./wire-types.js').MeterSummary>>} */ (
        getJson('/meters', { region, limit: String(PAGE_ROWS), cursor }, signal)
      ),
    REFRESH_MS,
  );
  if (data === null && error === null) return html`<p class="note">Loading meters…</p>`;
  return html`
    ${error !== null && html`<p class="note error">${error} <button type="button" onClick=${refresh}>Try again</button></p>`}
    ${data !== null && data.data.length === 0 && html`<p class="note">No meter of this region has sent a reading yet.</p>`}
    ${data !== null &&
    data.data.length > 0 &&
    html`
      <table class="meters">
        <thead>
          <tr><th scope="col">Meter</th><th scope="col">Health</th><th scope="col" class="number">kW</th><th scope="col" class="number">Last reading</th></tr>
        </thead>
        <tbody>
          ${data.data.map((meter) => html`<${MeterRow} key=${meter.meterId} meter=${meter} nowMs=${nowMs} onSelect=${onSelect} />`)}
        </tbody>
      </table>
      <${Pager}
        page=${cursors.length}
        hasNext=${data.nextCursor !== null}
        onPrevious=${() => setCursors(cursors.slice(0, -1))}
        onNext=${() => setCursors([...cursors, data.nextCursor])}
      />
    `}
  `;
}

/** @param {{ meter: import('./wire-types.js').MeterSummary, nowMs: number, onSelect: (meterId: string) => void }} props */
function MeterRow({ meter, nowMs, onSelect }) {
  const newest = Date.parse(meter.newestTimestamp);
  return html`
    <tr class=${`meter health-${meter.health}`} onClick=${() => onSelect(meter.meterId)}>
      <th scope="row"><button type="button" class="plain" onClick=${() => onSelect(meter.meterId)}>${meter.meterId}</button></th>
      <td>
        <span class="health">${HEALTH_WORDS[meter.health]}</span>
        ${meter.openAnomalies.map((kind) => html` <span class="badge">${KIND_WORDS[kind] ?? kind}</span>`)}
      </td>
      <td class="number">${formatDecimal(meter.lastPowerKw, 2)}</td>
      <td class="number" title=${formatFull(newest)}>
        ${nowMs - newest < 60_000 ? formatTime(newest) : `${formatDuration(nowMs - newest)} ago`}
      </td>
    </tr>
  `;
}

/** @param {{ page: number, hasNext: boolean, onPrevious: () => void, onNext: () => void }} props */
function Pager({ page, hasNext, onPrevious, onNext }) {
  if (page === 1 && !hasNext) return null;
  return html`
    <nav class="pager" aria-label="Pages of meters">
      <button type="button" disabled=${page === 1} onClick=${onPrevious}>Previous</button>
      <span>Page ${page}</span>
      <button type="button" disabled=${!hasNext} onClick=${onNext}>Next</button>
    </nav>
  `;
}
