// @ts-check
import { html, useState } from '../ui.js';
import { getJson, Refusal, sendJson } from '../api.js';
import { changeOf, FIELDS, overNewer, textsOf } from './entry-fields.js';
import { EntryInputs, useEntryForm } from './entry-inputs.js';

/**
 * @typedef {import('./registry-types.js').RegisteredMeter} RegisteredMeter
 * @typedef {import('./entry-fields.js').Texts} Texts
 */

/**
 * Changes an entry of the registry. What is refused stands at its field; what somebody else changed meanwhile is taken over, and what was typed is kept.
 * @param {{ meter: RegisteredMeter, regions: string[], onSaved: (meter: RegisteredMeter) => void, onCancel: () => void }} props
 */
export function EntryForm({ meter, regions, onSaved, onCancel }) {
  const [base, setBase] = useState(meter);
  const [clashes, setClashes] = useState(/** @type {Texts} */ ({}));
  const state = useEntryForm(() => textsOf(meter), 'serial');
  const { texts, setTexts, setFaults, setSaid, setBusy, refuse, explain, author } = state;
  const path = `/registry/meters/${encodeURIComponent(meter.meterId)}`;

  const takeOver = async () => {
    const now = /** @type {RegisteredMeter} */ (await getJson(path, {}));
    const merged = overNewer(base, texts, now);
    setBase(now);
    setTexts(merged.texts);
    setClashes(merged.clashes);
    const clashing = Object.keys(merged.clashes).length > 0;
    setSaid(`${now.updatedBy} has changed this entry meanwhile (version ${now.version}). ${clashing ? 'Fields that you changed as well say what is there now' : 'That is taken over'}; what you typed is kept. Save again if it is still right.`);
  };

  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const { change, faults } = changeOf(base, texts);
    if (faults.length > 0) return refuse(faults, 'Some of it cannot be.');
    if (Object.keys(change).length === 0) return refuse([], 'Nothing is different.');
    const by = author();
    if (by === undefined) return;
    setBusy(true);
    setFaults({});
    try {
      onSaved(await sendJson('PATCH', path, change, base.version, { by }));
      return;
    } catch (error) {
      if (error instanceof Refusal && error.code === 'stale_version') await takeOver().catch((/** @type {Error} */ again) => setSaid(again.message));
      else explain(/** @type {Error} */ (error));
    }
    setBusy(false);
  };

  return html`<${EntryInputs} state=${state} fields=${FIELDS} clashes=${clashes} regions=${regions} label=${`Entry of ${meter.meterId}`} verb="Save" onSubmit=${save} onCancel=${onCancel} />`;
}
