// @ts-check
import { html, useEffect, useRef, useState } from '../ui.js';
import { whoIsIn } from '../account/session.js';
import { getJson, Refusal, sendJson } from '../api.js';
import { rememberedName, rememberName } from '../operator-name.js';
import { changeOf, FIELDS, overNewer, textsOf } from './entry-fields.js';

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
  const [texts, setTexts] = useState(() => textsOf(meter));
  const [faults, setFaults] = useState(/** @type {Texts} */ ({}));
  const [clashes, setClashes] = useState(/** @type {Texts} */ ({}));
  const [by, setBy] = useState(rememberedName);
  const [said, setSaid] = useState('');
  const [isBusy, setBusy] = useState(false);
  const isKnown = whoIsIn() !== null;
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const path = `/registry/meters/${encodeURIComponent(meter.meterId)}`;
  useEffect(() => field(form.current, 'serial')?.focus(), []);

  /** @param {{ path: string, message: string }[]} found @param {string} words what is said of it as a whole */
  const refuse = (found, words) => {
    setFaults(Object.fromEntries(found.map(({ path: at, message }) => [at, message])));
    setSaid(words);
    field(form.current, found.find(({ path: at }) => Object.hasOwn(texts, at))?.path ?? '')?.focus();
  };

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
    const { change, faults: own } = changeOf(base, texts);
    if (own.length > 0) return refuse(own, 'Some of it cannot be.');
    if (Object.keys(change).length === 0) return refuse([], 'Nothing is different.');
    if (!isKnown && by.trim() === '') {
      field(form.current, 'by')?.focus();
      return setSaid('Say who you are: the name stays with the entry.');
    }
    if (!isKnown) rememberName(by.trim());
    setBusy(true);
    setFaults({});
    try {
      onSaved(await sendJson('PATCH', path, change, base.version, { by: isKnown ? null : by.trim() }));
      return;
    } catch (error) {
      await explain(/** @type {Error} */ (error));
    }
    setBusy(false);
  };

  /** @param {Error} error */
  const explain = async (error) => {
    if (!(error instanceof Refusal)) return setSaid(error.message);
    if (error.code === 'stale_version') return takeOver().catch((/** @type {Error} */ again) => setSaid(again.message));
    if (error.code === 'serial_taken') return refuse([{ path: 'serial', message: error.message }], 'Not saved.');
    refuse(error.faults, error.faults.some(({ path: at }) => Object.hasOwn(texts, at)) ? 'Not saved: some of it cannot be.' : error.message);
  };

  return html`
    <form class="fields entry-form" ref=${form} noValidate aria-label=${`Entry of ${meter.meterId}`} onSubmit=${save} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && onCancel()}>
      ${FIELDS.map((one) => html`<${EntryField} key=${one.path} field=${one} text=${texts[one.path]} fault=${faults[one.path]} clash=${clashes[one.path]} onText=${(/** @type {string} */ text) => setTexts({ ...texts, [one.path]: text })} />`)}
      <datalist id="known-regions">${regions.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
      ${!isKnown && html`<label>Your name <input name="by" required maxlength="128" autocomplete="name" value=${by} onInput=${(/** @type {any} */ event) => setBy(event.target.value)} /></label>`}
      <p class="said error whole" role="alert">${said}</p>
      <p class="buttons whole"><button type="submit" class="main" disabled=${isBusy}>Save</button> <button type="button" onClick=${onCancel}>Cancel</button></p>
    </form>
  `;
}

/** @param {{ field: import('./entry-fields.js').Field, text: string, fault: string | undefined, clash: string | undefined, onText: (text: string) => void }} props */
function EntryField({ field: { path, label, kind, charsMax, isRequired }, text, fault, clash, onText }) {
  const hintId = `hint-${path.replace('.', '-')}`;
  const hint = fault ?? (clash === undefined ? '' : `Now ${clash === '' ? 'empty' : clash}.`);
  const common = { name: path, value: text, 'aria-invalid': fault === undefined ? undefined : 'true', 'aria-describedby': hint === '' ? undefined : hintId, onInput: (/** @type {any} */ event) => onText(event.target.value) };
  return html`
    <div class=${path === 'note' ? 'whole' : ''}>
      <label>${label}
      ${kind === 'choice'
        ? html`<select ...${common}><option value="">–</option>${['1', '2', '3'].map((count) => html`<option key=${count} value=${count}>${count}</option>`)}</select>`
        : html`<input ...${common} type=${kind === 'date' ? 'date' : 'text'} inputmode=${kind === 'number' ? 'decimal' : undefined} maxlength=${charsMax} required=${isRequired} list=${path === 'region' ? 'known-regions' : undefined} autocomplete="off" spellcheck=${false} />`}
      </label>
      ${/* Beside the label, not in it: it describes the field and does not name it. */ hint !== '' && html`<span class="hint" id=${hintId}>${hint}</span>`}
    </div>
  `;
}

/** @param {HTMLFormElement | null} form @param {string} name */
function field(form, name) {
  return /** @type {HTMLInputElement | null} */ (form?.elements.namedItem(name) ?? null);
}
