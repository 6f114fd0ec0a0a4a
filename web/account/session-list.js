// @ts-check
import { html, useState } from '../ui.js';
import { deleteJson, getJson } from '../api.js';
import { formatMoment } from '../format.js';
import { ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';

/** @typedef {{ id: string, createdAt?: string, lastUsedAt?: string, userAgent?: string | null, address?: string | null, current?: boolean }} SignedIn */

/** Browsers and programs that are signed in as this account; each can be ended from here. */
export function SessionList() {
  const { data, error, refresh } = useRemote('sessions', (signal) => /** @type {Promise<import('../wire-types.js').Page<SignedIn>>} */ (getJson('/auth/sessions', {}, signal)), null);
  const [fault, setFault] = useState('');
  if (error !== null) return html`<${ErrorNote} error=${error} onRetry=${refresh} />`;
  if (data === null) return html`<${LoadingNote} what="sessions" />`;
  const end = async (/** @type {string} */ id) => {
    try {
      await deleteJson(`/auth/sessions/${encodeURIComponent(id)}`, {});
      setFault('');
      refresh();
    } catch (refused) {
      setFault(/** @type {Error} */ (refused).message);
    }
  };
  return html`
    <ul class="rows">
      ${data.data.map(
        (one) => html`
          <li key=${one.id}>
            <span>${one.userAgent ?? 'A browser or program'}${one.address && html`<span class="of"> at ${one.address}</span>`}${one.current && html` <span class="badge calm">this one</span>`}</span>
            <span class="of">${one.lastUsedAt ? `last used ${formatMoment(Date.parse(one.lastUsedAt), Date.now())}` : ''}</span>
            ${!one.current && html`<button type="button" onClick=${() => end(one.id)}>End</button>`}
          </li>
        `,
      )}
    </ul>
    <p class="said error" role="status">${fault}</p>
  `;
}
