// @ts-check
import { html, useState } from '../ui.js';
import { sendJson } from '../api.js';
import { formatCount } from '../format.js';
import { chooseTheme, chosenTheme } from '../theme-choice.js';
import { NewPassword } from './new-password.js';
import { issuerHost } from './other-issuer.js';
import { signOut, updateMe } from './session.js';
import { SessionList } from './session-list.js';

const THEMES = /** @type {const} */ ([['auto', 'As the system'], ['dark', 'Dark'], ['light', 'Light']]);
/** Bills are printed in these. */
const LANGUAGES = [['en', 'English'], ['de', 'Deutsch']];

/**
 * Who one is, how the page looks, where one is signed in. Without accounts there is the look alone.
 * @param {{ me: import('./account-types.js').Me | null }} props
 */
export function AccountPage({ me }) {
  return html`
    <section class="panel" aria-labelledby="account-title">
      <h2 id="account-title">${me === null ? 'Settings' : (me.name || me.email)}</h2>
      ${me !== null && html`<p class="note">${roleText(me)}${me.issuer ? ` So says ${issuerHost(me.issuer)}, where you sign in.` : ''}</p>`}
      <${Look} me=${me} />
      <p class="note"><a href="/docs">The API, to browse</a></p>
      ${me !== null && html`<p class="buttons"><button type="button" onClick=${() => signOut()}>Sign out</button> <button type="button" onClick=${() => signOut(true)}>Sign out everywhere</button></p>`}
    </section>
    ${me !== null &&
    html`
      ${me.email !== null && !me.issuer && html`<section class="panel" aria-labelledby="password-title"><h2 id="password-title">Password</h2><${NewPassword} email=${me.email} /></section>`}
      <section class="panel" aria-labelledby="sessions-title"><h2 id="sessions-title">Where you are signed in</h2><${SessionList} /></section>
    `}
  `;
}

/** @param {import('./account-types.js').Me} me */
function roleText({ role, meters, regions }) {
  if (role === 'consumer') return `Consumer of ${formatCount(meters.length)} ${meters.length === 1 ? 'meter' : 'meters'}.`;
  if (role === 'admin' || regions === 'all') return role === 'admin' ? 'Administrator: everything.' : 'Operator of all regions.';
  return `Operator of ${regions.join(', ') || 'no region yet'}.`;
}

/** @param {{ me: import('./account-types.js').Me | null }} props */
function Look({ me }) {
  const [theme, setTheme] = useState(chosenTheme);
  const [fault, setFault] = useState('');
  /** @param {object} preferences */
  const keep = async (preferences) => {
    if (me === null) return;
    try {
      updateMe(await sendJson('PATCH', '/me', { preferences }));
      setFault('');
    } catch (error) {
      setFault(/** @type {Error} */ (error).message);
    }
  };
  return html`
    <form class="fields" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label>Colours
        <select value=${theme} onChange=${(/** @type {any} */ event) => { chooseTheme(event.target.value); setTheme(event.target.value); void keep({ theme: event.target.value === 'auto' ? null : event.target.value }); }}>
          ${THEMES.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}
        </select>
      </label>
      ${me !== null &&
      html`<label>Language of bills
        <select value=${me.preferences.locale ?? 'en'} onChange=${(/** @type {any} */ event) => keep({ locale: event.target.value })}>
          ${LANGUAGES.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}
        </select>
      </label>`}
      <p class="said error" role="status">${fault}</p>
    </form>
  `;
}
