// @ts-check
import { html, useState } from '../ui.js';
import { getJson, postJson } from '../api.js';
import { heldMeters, heldText, spanOf } from '../home/held-meters.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';

/** Those who share a home, and who lived there before. */
const SHOWN_MAX = 100;

/** What came of it, in words. @type {Record<string, { words: string, isError: boolean }>} */
export const OUTCOMES = {
  assigned: { words: 'Given.', isError: false },
  removed: { words: 'Taken away.', isError: false },
  unchanged: { words: 'It was so already.', isError: false },
  unknown_user: { words: 'There is no account of this address.', isError: true },
  not_a_consumer: { words: 'This account is none of a consumer: others see meters by their region.', isError: true },
  too_many_meters: { words: 'This account has as many meters and times as one can have.', isError: true },
};

/** @typedef {{ id: string, email: string | null, name: string, disabled: boolean, assignments: import('../account/account-types.js').Assignment[] }} Person */

/**
 * Whose a meter is, was and will be; it is given for a time, and taken away. For admins.
 * @param {{ meterId: string, nowMs: number }} props
 */
export function EntryPeople({ meterId, nowMs }) {
  const { data, error, refresh } = useRemote(meterId, (signal) => /** @type {Promise<import('../wire-types.js').Page<Person>>} */ (getJson('/users', { meterId, limit: String(SHOWN_MAX) }, signal)), null);
  return html`
    <h3>Whose it is</h3>
    ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
    ${data === null && error === null && html`<${LoadingNote} what="whose it is" />`}
    ${data !== null && data.data.length === 0 && html`<${EmptyNote}>Nobody’s: no account sees it as its own.<//>`}
    ${data !== null && data.data.length > 0 && html`<ul class="rows">${data.data.map((person) => html`<${PersonRow} key=${person.id} person=${person} meterId=${meterId} nowMs=${nowMs} />`)}</ul>`}
    <${AssignForm} meterId=${meterId} onDone=${refresh} />
  `;
}

/** @param {{ person: Person, meterId: string, nowMs: number }} props */
function PersonRow({ person: { email, name, disabled, assignments }, meterId, nowMs }) {
  const own = assignments.filter((one) => one.meterId === meterId);
  const isPresent = heldMeters(own, nowMs).some((meter) => meter.isPresent);
  return html`
    <li class=${isPresent ? '' : 'past'}>
      <span><strong>${name}</strong>${email !== null && html`<span class="of"> ${email}</span>`}${disabled && html` <span class="badge">disabled</span>`}</span>
      <span class="of">${heldText(own.map(spanOf)) || 'always'}</span>
    </li>
  `;
}

/** @param {{ meterId: string, onDone: () => void }} props */
function AssignForm({ meterId, onDone }) {
  const [said, setSaid] = useState({ words: '', isError: false });
  const [isBusy, setBusy] = useState(false);
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const text = (/** @type {string} */ name) => form.elements.namedItem(name).value.trim();
    const assigned = event.submitter?.value !== 'take';
    if (text('user') === '') {
      setSaid({ words: 'Say whose: the address of an account.', isError: true });
      return form.elements.namedItem('user').focus();
    }
    setBusy(true);
    try {
      const assignment = { user: text('user'), meters: [meterId], assigned, ...timesOf(text('from'), text('last')) };
      const { data } = /** @type {{ data: { outcome: string }[] }} */ (await postJson('/meter-assignments', { assignments: [assignment] }, null));
      const outcome = OUTCOMES[data[0].outcome] ?? { words: data[0].outcome, isError: true };
      setSaid(outcome);
      if (!outcome.isError) {
        form.reset();
        onDone();
      }
    } catch (error) {
      setSaid({ words: /** @type {Error} */ (error).message, isError: true });
    }
    setBusy(false);
  };
  return html`
    <details class="assign-form">
      <summary>Give it to somebody, or take it away</summary>
      <form class="fields entry-form" noValidate onSubmit=${submit}>
        <label class="whole">Address of the account <input name="user" type="email" required maxlength="254" autocomplete="off" /></label>
        <label>From <span class="of">(empty: always)</span> <input name="from" type="date" /></label>
        <label>Last day <span class="of">(empty: no end)</span> <input name="last" type="date" /></label>
        <p class="buttons whole"><button type="submit" class="main" value="give" disabled=${isBusy}>Give</button> <button type="submit" value="take" disabled=${isBusy}>Take away</button></p>
        <p class=${said.isError ? 'said error whole' : 'said whole'} role="status">${said.words}</p>
      </form>
    </details>
  `;
}

/**
 * Days by the viewer's clock as times: until the midnight after the last.
 * @param {string} from a date, or empty @param {string} last
 */
export function timesOf(from, last) {
  const midnight = (/** @type {string} */ date, /** @type {number} */ later) => {
    const [year, month, day] = date.split('-').map(Number);
    return new Date(year, month - 1, day + later).toISOString();
  };
  return { from: from === '' ? null : midnight(from, 0), until: last === '' ? null : midnight(last, 1) };
}
