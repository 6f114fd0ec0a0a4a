// @ts-check
import { html, useEffect, useState } from './ui.js';
import { OUTCOMES, STEP_WORDS } from './alert-words.js';
import { getJson } from './api.js';
import { formatMoment } from './format.js';
import { useRemote } from './remote-data.js';

/**
 * Why who was told of an alert and who was not: the decisions in order, of everybody or of one person.
 * @param {{ alertId: string, version: number, nowMs: number }} props
 */
export function AlertDecisions({ alertId, version, nowMs }) {
  const [contact, setContact] = useState('');
  const { data, error, refresh } = useRemote(
    alertId,
    (signal) => /** @type {Promise<{ decisions: import('./wire-types.js').Decision[] }>} */ (getJson(`/alerts/${encodeURIComponent(alertId)}/explain`, {}, signal)),
    null,
  );
  useEffect(() => {
    if (data !== null) refresh();
  }, [version]);
  if (error !== null) return html`<p class="note error">${error} <button type="button" onClick=${refresh}>Try again</button></p>`;
  if (data === null) return html`<p class="note">Loading the decisions…</p>`;
  const contacts = [...new Set(data.decisions.flatMap(({ contactId }) => (contactId === null ? [] : [contactId])))].sort();
  const shown = data.decisions.filter(({ contactId }) => contact === '' || contactId === null || contactId === contact);
  return html`
    ${contacts.length > 1 &&
    html`
      <select class="contact-choice" aria-label="Whose decisions" value=${contact} onChange=${(/** @type {any} */ event) => setContact(event.target.value)}>
        <option value="">Everybody</option>
        ${contacts.map((id) => html`<option key=${id} value=${id}>${id}</option>`)}
      </select>
    `}
    ${shown.length === 0 && html`<p class="note">Nothing was decided yet.</p>`}
    <ol class="account">
      ${shown.map(
        ({ at, step, outcome, reason, contactId }, index) => html`
          <li key=${index} class=${`outcome-${outcome}`}>
            <time datetime=${at}>${formatMoment(Date.parse(at), nowMs)}</time>
            <span>
              <strong>${STEP_WORDS[step] ?? step}</strong> <span class="outcome"><span aria-hidden="true">${OUTCOMES[outcome].mark}</span> ${OUTCOMES[outcome].word}</span>${contactId !== null && ` · ${contactId}`}
              <span class="of"> ${reason}</span>
            </span>
          </li>
        `,
      )}
    </ol>
  `;
}
