// @ts-check
import { html, useEffect, useState } from '../ui.js';
import { getJson } from '../api.js';
import { useListKeys } from '../list-keys.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { goToPage, NEW_ENTRY, pageHash } from '../route.js';
import { mayMakeEntries, NewEntry } from './new-entry.js';
import { RegistryEntry, StatusTag } from './registry-entry.js';
import { STATUSES } from './registry-words.js';

const PAGE_ROWS = 50;
/** What was done, said where somebody is led from there: at an entry, or at the list (null). @typedef {{ meterId: string | null, words: string }} News */
/** @type {News} */
const NO_NEWS = { meterId: null, words: '' };

/** @typedef {{ region: string | null, status: string | null, q: string | null }} Filter */

/**
 * The registry of meters, filtered and page by page, and the entry that was opened.
 * @param {{ state: import('../grid-state.js').GridState, meterId: string | null, nowMs: number }} props `meterId`: as it stands in the address, with NEW_ENTRY before it one that is to be made
 */
export function RegistryPage({ state, meterId, nowMs }) {
  const regions = [...(state.regions?.keys() ?? [])];
  const [changes, setChanges] = useState(0);
  const [news, setNews] = useState(NO_NEWS);
  useEffect(() => setNews((before) => (before.meterId === meterId ? before : NO_NEWS)), [meterId]);
  const changed = () => setChanges((before) => before + 1);
  const lead = (/** @type {News} */ next) => {
    setNews(next);
    changed();
    goToPage('registry', next.meterId);
  };
  const [filter, setFilter] = useState(/** @type {Filter} */ ({ region: null, status: null, q: null }));
  const search = (/** @type {any} */ event) => {
    event.preventDefault();
    setFilter({ ...filter, q: event.currentTarget.elements.namedItem('q').value.trim() || null });
  };
  /** @param {string} name */
  const chosen = (name) => (/** @type {any} */ event) => setFilter({ ...filter, [name]: event.target.value || null });
  return html`
    <section class="panel area-list" aria-labelledby="registry-title">
      <div class="panel-head">
        <h2 id="registry-title">Registry</h2>
        <div class="filters">
          <form class="find" role="search" onSubmit=${search}>
            <input name="q" aria-label="Beginning of an id, a serial number, a postal code, a city or a street" placeholder="Id, serial, city, street" autocomplete="off" spellcheck=${false} maxlength="64" />
            <button type="submit">Find</button>
          </form>
          <select aria-label="Region of the registry" value=${filter.region ?? ''} onChange=${chosen('region')}>
            <option value="">All regions</option>
            ${regions.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
          </select>
          <select aria-label="Status of meters" value=${filter.status ?? ''} onChange=${chosen('status')}>
            <option value="">Any status</option>
            ${Object.entries(STATUSES).map(([status, { word }]) => html`<option key=${status} value=${status}>${word}</option>`)}
          </select>
          ${mayMakeEntries() && html`<a href=${pageHash('registry', NEW_ENTRY)}>New entry</a>`}
        </div>
      </div>
      <p class="said" role="status">${news.meterId === null ? news.words : ''}</p>
      <${RegistryList} key=${JSON.stringify(filter)} filter=${filter} openedId=${meterId} changes=${changes} />
    </section>
    ${meterId?.startsWith(NEW_ENTRY) && html`<${NewEntry} key=${meterId} meterId=${meterId.slice(NEW_ENTRY.length)} regions=${regions} onMade=${(/** @type {import('./registry-types.js').RegisteredMeter} */ made) => lead({ meterId: made.meterId, words: 'Made.' })} />`}
    ${meterId !== null && !meterId.startsWith(NEW_ENTRY) && html`<${RegistryEntry} key=${meterId} meterId=${meterId} regions=${regions} nowMs=${nowMs} news=${news.meterId === meterId ? news.words : ''} onChanged=${changed} onRemoved=${() => lead({ meterId: null, words: `The entry of ${meterId} is removed.` })} />`}
  `;
}

/** Mount it anew (key) for another filter. @param {{ filter: Filter, openedId: string | null, changes: number }} props `changes`: how often something was changed here */
function RegistryList({ filter, openedId, changes }) {
  const [cursors, setCursors] = useState(/** @type {(string | null)[]} */ ([null]));
  const cursor = cursors[cursors.length - 1];
  const keys = useListKeys();
  const { data, error, refresh } = useRemote(
    `${cursor}`,
    (signal) => /** @type {Promise<import('../wire-types.js').Page<import('./registry-types.js').RegisteredMeter>>} */ (getJson('/registry/meters', { ...filter, limit: String(PAGE_ROWS), cursor }, signal)),
    null,
  );
  useEffect(() => {
    if (changes > 0) refresh();
  }, [changes]);
  if (error !== null && data === null) return html`<${ErrorNote} error=${error} onRetry=${refresh} />`;
  if (data === null) return html`<${LoadingNote} what="the registry" />`;
  const isFiltered = Object.values(filter).some((value) => value !== null);
  return html`
    ${data.data.length === 0 && data.nextCursor === null && html`<${EmptyNote}>${isFiltered ? 'No meter is like that.' : html`The registry is empty. <code>npm run seg -- meter import FILE</code> fills it.`}<//>`}
    ${data.data.length === 0 && data.nextCursor !== null && html`<p class="note">None among the first thousand that were looked at; the next page looks further.</p>`}
    ${data.data.length > 0 &&
    html`
      <table class="registry" ...${keys}>
        <thead><tr><th scope="col">Meter</th><th scope="col">Address</th><th scope="col" class="class-cell">Class</th><th scope="col">Status</th></tr></thead>
        <tbody>${data.data.map((meter) => html`<${MeterRow} key=${meter.meterId} meter=${meter} isOpened=${meter.meterId === openedId} />`)}</tbody>
      </table>
    `}
    ${(cursors.length > 1 || data.nextCursor !== null) &&
    html`
      <nav class="pager" aria-label="Pages of the registry">
        <button type="button" disabled=${cursors.length === 1} onClick=${() => setCursors(cursors.slice(0, -1))}>Previous</button>
        <span>Page ${cursors.length}</span>
        <button type="button" disabled=${data.nextCursor === null} onClick=${() => setCursors([...cursors, data.nextCursor])}>Next</button>
      </nav>
    `}
  `;
}

/** @param {{ meter: import('./registry-types.js').RegisteredMeter, isOpened: boolean }} props */
function MeterRow({ meter, isOpened }) {
  const { meterId, serial, address, customerClass, region, status } = meter;
  return html`
    <tr aria-current=${isOpened ? 'true' : undefined} onClick=${() => goToPage('registry', meterId)}>
      <th scope="row"><a href=${pageHash('registry', meterId)}>${meterId}</a><span class="under">${serial ?? region}</span></th>
      <td class="wraps">${address.street ?? '–'}<span class="under">${[address.postalCode, address.city].filter((part) => part !== null).join(' ')}</span></td>
      <td class="class-cell">${customerClass}<span class="under">${region}</span></td>
      <td><${StatusTag} status=${status} /></td>
    </tr>
  `;
}
