// @ts-check
import { html, useState } from '../ui.js';
import { whoIsIn } from '../account/session.js';
import { Refusal, sendJson } from '../api.js';
import { EmptyNote } from '../notes.js';
import { goToPage, pageHash } from '../route.js';
import { NEW_FIELDS, newEntryOf, newTexts } from './entry-fields.js';
import { EntryInputs, useEntryForm } from './entry-inputs.js';

/** @typedef {import('./registry-types.js').RegisteredMeter} RegisteredMeter */

/** Admins make entries and remove them; without accounts everybody is one. */
export function mayMakeEntries() {
  return (whoIsIn()?.role ?? 'admin') === 'admin';
}

/**
 * An entry that is not there yet. One that somebody else has made meanwhile stays as it is.
 * @param {{ meterId: string, regions: string[], onMade: (meter: RegisteredMeter) => void }} props `meterId`: to begin with; may be empty
 */
export function NewEntry({ meterId, regions, onMade }) {
  return html`
    <section class="panel area-opened" aria-labelledby="entry-title" tabindex="0">
      <div class="panel-head"><h2 id="entry-title">New entry</h2><p class="links"><a class="back" href=${pageHash('registry')}>← Registry</a></p></div>
      ${mayMakeEntries() ? html`<${NewEntryForm} meterId=${meterId} regions=${regions} onMade=${onMade} />` : html`<${EmptyNote}>Administrators make entries; operators correct them.<//>`}
    </section>
  `;
}

/** @param {{ meterId: string, regions: string[], onMade: (meter: RegisteredMeter) => void }} props */
function NewEntryForm({ meterId, regions, onMade }) {
  const state = useEntryForm(() => newTexts(meterId), meterId === '' ? 'meterId' : 'serial');
  const { texts, setFaults, setBusy, refuse, explain, author } = state;
  const [isRegionUnknown, setRegionUnknown] = useState(false);
  const [takesNewRegion, setTakesNewRegion] = useState(false);

  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const { id, facts, faults } = newEntryOf(texts);
    if (faults.length > 0) return refuse(faults, 'Some of it cannot be.');
    const by = author();
    if (by === undefined) return;
    setBusy(true);
    setFaults({});
    try {
      onMade(await sendJson('PUT', `/registry/meters/${encodeURIComponent(id)}`, facts, 0, { by, newRegions: takesNewRegion ? 'true' : null }));
      return;
    } catch (error) {
      if (error instanceof Refusal && error.code === 'unknown_region') setRegionUnknown(true);
      if (error instanceof Refusal && error.code === 'stale_version') refuse([{ path: 'meterId', message: `the registry has an entry of ${id} already` }], 'Not made: nothing of that entry is changed. Open it to correct it.');
      else explain(/** @type {Error} */ (error));
    }
    setBusy(false);
  };

  return html`
    <${EntryInputs} state=${state} fields=${NEW_FIELDS} regions=${regions} label="New entry" verb="Make the entry" onSubmit=${make} onCancel=${() => goToPage('registry')}>
      ${isRegionUnknown && html`<label class="check whole"><input type="checkbox" name="newRegion" checked=${takesNewRegion} onChange=${(/** @type {any} */ event) => setTakesNewRegion(event.target.checked)} /> It is the first meter of a new region</label>`}
    <//>
  `;
}
