// @ts-check
import { html, useEffect, useRef, useState } from './ui.js';
import { authorOf, whoIsIn } from './account/session.js';
import { matchOf } from './alert-state.js';
import { postJson } from './api.js';
import { formatMoment } from './format.js';
import { rememberedName, rememberName } from './operator-name.js';

const HOUR_MS = 3_600_000;
const SILENCES = [
  { hours: 1, words: '1 h' },
  { hours: 4, words: '4 h' },
  { hours: 24, words: '1 d' },
];

/**
 * What a person can do about an alert, under a name. What the gateway refuses is shown in its words.
 *
 * @param {object} props
 * @param {import('./wire-types.js').Alert} props.alert
 * @param {number} props.nowMs
 * @param {(alert: import('./wire-types.js').Alert) => void} props.onChanged
 * @param {() => void} props.onRefused it is not as the page has it
 */
export function AlertActions({ alert, nowMs, onChanged, onRefused }) {
  const isKnown = whoIsIn() !== null;
  const [by, setBy] = useState(rememberedName);
  const [why, setWhy] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState({ text: '', isError: false });
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const answer = useRef(/** @type {HTMLElement | null} */ (null));
  // The button that was pressed may be gone, and the keyboard's place with it.
  useEffect(() => {
    if (said.text !== '' && !said.isError) answer.current?.focus();
  }, [said]);
  if (alert.state === 'resolved') return html`<p class="note" role="status" tabindex="-1" ref=${answer}>${said.text || 'It is over.'}</p>`;

  /** @param {boolean} needsReason @param {() => Promise<string>} action what to say when it is done */
  const act = async (needsReason, action) => {
    const fault = faultOf(form.current, needsReason);
    if (fault !== null) return setSaid({ text: fault, isError: true });
    if (!isKnown) rememberName(by.trim());
    setBusy(true);
    try {
      setSaid({ text: await action(), isError: false });
      setWhy('');
    } catch (error) {
      setSaid({ text: /** @type {Error} */ (error).message, isError: true });
      onRefused();
    }
    setBusy(false);
  };
  const path = `/alerts/${encodeURIComponent(alert.id)}`;
  const acknowledge = () =>
    act(false, async () => {
      onChanged(await postJson(`${path}/acknowledge`, { ...authorOf(by), why: why.trim() || null }, alert.version));
      return 'Acknowledged: it is not repeated, and goes to nobody else.';
    });
  const resolve = () =>
    act(true, async () => {
      onChanged(await postJson(`${path}/resolve`, { ...authorOf(by), why }, alert.version));
      return 'Resolved.';
    });
  const silence = (/** @type {number} */ hours) =>
    act(false, async () => {
      const wished = { match: matchOf(alert), ...authorOf(by), comment: why.trim() || alert.title };
      const silence = /** @type {{ endsAt: string }} */ (await postJson('/silences', { ...wished, endsAt: new Date(nowMs + hours * HOUR_MS).toISOString() }, null, { ...wished, hours }));
      return `Silenced until ${formatMoment(Date.parse(silence.endsAt), nowMs)}.`;
    });

  return html`
    <form class="actions" ref=${form} noValidate onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), acknowledge())}>
      ${!isKnown && html`<label>Your name <input name="by" required maxlength="128" autocomplete="name" value=${by} onInput=${(/** @type {any} */ event) => setBy(event.target.value)} /></label>`}
      <label>Reason <input name="why" maxlength="1000" autocomplete="off" placeholder="needed to resolve" value=${why} onInput=${(/** @type {any} */ event) => setWhy(event.target.value)} /></label>
      <div class="buttons">
        ${alert.state === 'open' && html`<button type="submit" class="main" disabled=${isBusy}>Acknowledge</button>`}
        <button type="button" disabled=${isBusy} onClick=${resolve}>Resolve</button>
        <span class="silence" role="group" aria-label="Silence for">
          <span aria-hidden="true">Silence for</span>
          ${SILENCES.map(({ hours, words }) => html`<button key=${words} type="button" disabled=${isBusy} onClick=${() => silence(hours)}>${words}</button>`)}
        </span>
      </div>
      <p class=${said.isError ? 'said error' : 'said'} role="status" tabindex="-1" ref=${answer}>${said.text}</p>
    </form>
  `;
}

/** What is missing, and the cursor where it belongs. @param {HTMLFormElement | null} form @param {boolean} needsReason */
function faultOf(form, needsReason) {
  for (const [name, fault] of [['by', 'Say who you are: the name stays in the history.'], ...(needsReason ? [['why', 'Say why it is over: the engine has not seen that.']] : [])]) {
    const field = /** @type {HTMLInputElement | null} */ (form?.elements.namedItem(name) ?? null);
    if (field === null || field.value.trim() !== '') continue;
    field.focus();
    return fault;
  }
  return null;
}
