// @ts-check
import { html, useEffect, useRef, useState } from '../ui.js';
import { whoIsIn } from '../account/session.js';
import { Refusal } from '../api.js';
import { rememberedName, rememberName } from '../operator-name.js';

/**
 * @typedef {import('./entry-fields.js').Texts} Texts
 * @typedef {import('./entry-fields.js').Fault} Fault
 * @typedef {ReturnType<typeof useEntryForm>} EntryFormState
 */

/**
 * What a form of an entry knows while somebody fills it in. What is refused stands at its field, and the first of these has the focus.
 * @param {() => Texts} firstTexts @param {string} firstField has the focus at first
 */
export function useEntryForm(firstTexts, firstField) {
  const [texts, setTexts] = useState(firstTexts);
  const [faults, setFaults] = useState(/** @type {Texts} */ ({}));
  const [by, setBy] = useState(rememberedName);
  const [said, setSaid] = useState('');
  const [isBusy, setBusy] = useState(false);
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const focus = (/** @type {string} */ name) => /** @type {HTMLInputElement | null} */ (form.current?.elements.namedItem(name) ?? null)?.focus();
  useEffect(() => focus(firstField), []);

  /** @param {Fault[]} found @param {string} words what is said of it as a whole */
  const refuse = (found, words) => {
    setFaults(Object.fromEntries(found.map(({ path, message }) => [path, message])));
    setSaid(words);
    focus(found.find(({ path }) => Object.hasOwn(texts, path))?.path ?? '');
  };

  /** @param {Error} error of a write */
  const explain = (error) => {
    if (!(error instanceof Refusal)) return setSaid(error.message);
    if (error.code === 'serial_taken') return refuse([{ path: 'serial', message: error.message }], 'Not saved.');
    refuse(error.faults, error.faults.some(({ path }) => Object.hasOwn(texts, path)) ? 'Not saved: some of it cannot be.' : error.message);
  };

  /** Whose the change is; null where the engine knows. Undefined, and said, where nobody says so. */
  const author = () => {
    if (whoIsIn() !== null) return null;
    if (by.trim() === '') {
      focus('by');
      setSaid('Say who you are: the name stays with the entry.');
      return undefined;
    }
    rememberName(by.trim());
    return by.trim();
  };

  return { form, texts, setTexts, faults, setFaults, by, setBy, said, setSaid, isBusy, setBusy, refuse, explain, author };
}

/**
 * @param {object} props
 * @param {EntryFormState} props.state
 * @param {readonly import('./entry-fields.js').Field[]} props.fields
 * @param {Texts} [props.clashes] what somebody else has written meanwhile into fields that were changed here as well
 * @param {string[]} props.regions
 * @param {string} props.label of the form
 * @param {string} props.verb of the button that sends it
 * @param {(event: Event) => void} props.onSubmit
 * @param {() => void} props.onCancel
 * @param {any} [props.children] after the fields
 */
export function EntryInputs({ state, fields, clashes = {}, regions, label, verb, onSubmit, onCancel, children }) {
  const { form, texts, setTexts, faults, by, setBy, said, isBusy } = state;
  return html`
    <form class="fields entry-form" ref=${form} noValidate aria-label=${label} onSubmit=${onSubmit} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && onCancel()}>
      ${fields.map((one) => html`<${EntryField} key=${one.path} field=${one} text=${texts[one.path]} fault=${faults[one.path]} clash=${clashes[one.path]} onText=${(/** @type {string} */ text) => setTexts({ ...texts, [one.path]: text })} />`)}
      <datalist id="known-regions">${regions.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
      ${children}
      ${whoIsIn() === null && html`<label>Your name <input name="by" required maxlength="128" autocomplete="name" value=${by} onInput=${(/** @type {any} */ event) => setBy(event.target.value)} /></label>`}
      <p class="said error whole" role="alert">${said}</p>
      <p class="buttons whole"><button type="submit" class="main" disabled=${isBusy}>${verb}</button> <button type="button" onClick=${onCancel}>Cancel</button></p>
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
