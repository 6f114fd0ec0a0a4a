// @ts-check
import { html, useRef, useState } from '../ui.js';
import { whoIsIn } from '../account/session.js';
import { getJson } from '../api.js';
import { formatDecimal, formatDuration, formatMoment } from '../format.js';
import { formatDay } from '../money.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { NEW_ENTRY, pageHash, routeHash } from '../route.js';
import { EntryForm } from './entry-form.js';
import { EntryPeople } from './entry-people.js';
import { EntryRemoval } from './entry-removal.js';
import { mayMakeEntries } from './new-entry.js';
import { addressText, STATUSES } from './registry-words.js';

/** Own meters that are looked through for one: the most that an answer has. */
const OWN_MAX = 200;

/**
 * The entry of a meter, or null. Asked for as a list, in which one that is not there is no fault.
 * @param {string} meterId @param {AbortSignal} signal
 */
async function entryOf(meterId, signal) {
  // Of ids that begin so, its own is the first.
  const { data } = /** @type {import('../wire-types.js').Page<import('./registry-types.js').RegisteredMeter>} */ (await getJson('/registry/meters', { q: meterId, limit: '1' }, signal));
  return { entry: data[0]?.meterId === meterId ? data[0] : null };
}

/**
 * What the registry has of a meter, to be read and changed.
 * @param {object} props
 * @param {string} props.meterId
 * @param {string[]} props.regions
 * @param {number} props.nowMs
 * @param {string} props.news what was done on the way here
 * @param {() => void} props.onChanged
 * @param {() => void} props.onRemoved
 */
export function RegistryEntry({ meterId, regions, nowMs, news, onChanged, onRemoved }) {
  const { data, error, refresh } = useRemote(meterId, (signal) => entryOf(meterId, signal), null);
  const [newer, setNewer] = useState(/** @type {import('./registry-types.js').RegisteredMeter | null} */ (null));
  const [said, setSaid] = useState(news);
  const [isEditing, setEditing] = useState(false);
  const meter = newer ?? data?.entry ?? null;
  const keep = (/** @type {import('./registry-types.js').RegisteredMeter} */ changed) => {
    setNewer(changed);
    setSaid(`Saved as version ${changed.version}.`);
    setEditing(false);
    onChanged();
  };
  const show = (/** @type {import('./registry-types.js').RegisteredMeter} */ changed) => {
    setNewer(changed);
    setSaid('');
    onChanged();
  };
  return html`
    <section class="panel area-opened" aria-labelledby="entry-title" tabindex="0">
      <div class="panel-head">
        <h2 id="entry-title">${meterId}</h2>
        <p class="links">${meter !== null && html`<a href=${routeHash({ region: meter.region, meterId, alertId: null })}>What it measures</a>`}<a class="back" href=${pageHash('registry')}>← Registry</a></p>
      </div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="the entry" />`}
      ${data !== null && meter === null && html`<${EmptyNote}>The registry has no meter of this id.${mayMakeEntries() && html` <a href=${pageHash('registry', `${NEW_ENTRY}${meterId}`)}>Make its entry</a>`}<//>`}
      ${meter !== null && !isEditing && html`<${Entry} meter=${meter} said=${said} onEdit=${() => setEditing(true)} onNewer=${show} onRemoved=${onRemoved} />`}
      ${meter !== null && isEditing && html`<${EntryForm} meter=${meter} regions=${regions} onSaved=${keep} onCancel=${() => setEditing(false)} />`}
      ${whoIsIn()?.role === 'admin' && html`<${EntryPeople} meterId=${meterId} nowMs=${nowMs} />`}
    </section>
  `;
}

/**
 * @param {object} props
 * @param {import('./registry-types.js').RegisteredMeter} props.meter
 * @param {string} props.said what was done to it last
 * @param {() => void} props.onEdit
 * @param {(meter: import('./registry-types.js').RegisteredMeter) => void} props.onNewer
 * @param {() => void} props.onRemoved
 */
function Entry({ meter, said, onEdit, onNewer, onRemoved }) {
  const { location, cadenceSeconds, ratedPowerKw } = meter;
  const [isRemoving, setRemoving] = useState(false);
  const removal = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const keep = () => {
    setRemoving(false);
    removal.current?.focus();
  };
  /** @type {[string, string | number | null][]} */
  const facts = [
    ['Serial number', meter.serial],
    ['Make', [meter.manufacturer, meter.model].filter((part) => part !== null).join(' ')],
    ['Class', meter.customerClass],
    ['Region', meter.region],
    ['Address', addressText(meter.address)],
    ['Place', location === null ? null : `${location.latitude.toFixed(5)}, ${location.longitude.toFixed(5)}`],
    ['Phases', meter.phases],
    ['Rated power', ratedPowerKw === null ? null : `${formatDecimal(ratedPowerKw, 1)} kW`],
    ['Should send', cadenceSeconds === null ? null : `every ${formatDuration(cadenceSeconds * 1_000)}`],
    ['Installed', meter.installedOn === null ? null : formatDay(meter.installedOn)],
    ['Removed', meter.removedOn === null ? null : formatDay(meter.removedOn)],
    ['Note', meter.note],
  ];
  return html`
    <p class="buttons"><${StatusTag} status=${meter.status} /> <button type="button" onClick=${onEdit}>Edit</button>${mayMakeEntries() && html` <button type="button" ref=${removal} aria-expanded=${isRemoving ? 'true' : 'false'} onClick=${() => setRemoving(true)}>Remove…</button>`}<span class="said" role="status">${said}</span></p>
    ${isRemoving && html`<${EntryRemoval} meter=${meter} onNewer=${onNewer} onRemoved=${onRemoved} onCancel=${keep} />`}
    <dl class="facts bill-facts">
      ${facts.map(([name, value]) => value !== null && value !== '' && html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
      <div><dt>Version</dt><dd>${meter.version}<span class="of"> by ${meter.updatedBy}, ${formatMoment(Date.parse(meter.updatedAt), Date.now())}</span></dd></div>
    </dl>
  `;
}

/** @param {{ status: import('./registry-types.js').MeterStatus }} props */
export function StatusTag({ status }) {
  return html`<span class=${`tag tag-${STATUSES[status].level}`}>${STATUSES[status].word}</span>`;
}

/** The entry in a few words, beside what the meter measures; nothing where there is none. @param {{ meterId: string }} props */
export function RegistryBrief({ meterId }) {
  const { data } = useRemote(meterId, (signal) => entryOf(meterId, signal), null);
  const meter = data?.entry ?? null;
  if (meter === null) return null;
  return html`
    <h3>Registry</h3>
    <dl class="facts registry-brief">
      <div><dt>Serial number</dt><dd><a href=${pageHash('registry', meterId)}>${meter.serial ?? 'Entry'}</a></dd></div>
      <div><dt>Class</dt><dd>${meter.customerClass}</dd></div>
      ${addressText(meter.address) !== '' && html`<div><dt>Address</dt><dd>${addressText(meter.address)}</dd></div>`}
      <div><dt>${STATUSES[meter.status].word}</dt><dd>${meter.installedOn === null ? 'no day yet' : formatDay(meter.removedOn !== null && meter.status === 'removed' ? meter.removedOn : meter.installedOn)}</dd></div>
    </dl>
  `;
}

/**
 * Where a household's meter is, in a line; nothing where nobody knows.
 * @param {{ meterId: string, isConsumer: boolean }} props consumers see their own meters, and no list of others
 */
export function MeterPlace({ meterId, isConsumer }) {
  const { data } = useRemote(
    `${meterId} ${isConsumer}`,
    async (signal) => {
      if (!isConsumer) return entryOf(meterId, signal);
      const own = /** @type {import('../wire-types.js').Page<import('./registry-types.js').OwnMeter>} */ (await getJson('/me/meters', { limit: String(OWN_MAX) }, signal));
      return { entry: own.data.find((meter) => meter.meterId === meterId)?.registry ?? null };
    },
    null,
  );
  const entry = data?.entry ?? null;
  const address = entry === null ? '' : addressText(entry.address);
  if (address === '' && (entry?.serial ?? null) === null) return null;
  return html`<p class="note tight meter-place">${address}${entry?.serial && html`<span class="of">${address !== '' && ' · '}meter no. ${entry.serial}</span>`}</p>`;
}
