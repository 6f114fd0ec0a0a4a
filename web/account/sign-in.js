// @ts-check
import { html, useEffect, useRef, useState } from '../ui.js';
import { postJson } from '../api.js';
import { Doorway } from './doorway.js';
import { issuerHost } from './other-issuer.js';
import { signIn, signInElsewhere } from './session.js';

/** @param {{ settings: import('./account-types.js').AuthSettings, why: string | null }} props */
export function SignIn({ settings, why }) {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const email = useRef(/** @type {HTMLInputElement | null} */ (null));
  const elsewhere = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const { passwords, oidc } = settings;
  const isElsewhere = oidc !== null && oidc.signIn;
  useEffect(() => (elsewhere.current ?? email.current)?.focus(), []);

  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const fields = event.currentTarget.elements;
    setBusy(true);
    setFault(null);
    try {
      await signIn(fields.namedItem('email').value.trim(), fields.namedItem('password').value);
    } catch (error) {
      setFault(/** @type {Error} */ (error).message);
      setBusy(false);
      fields.namedItem('password').focus();
    }
  };
  return html`
    <${Doorway} title="Sign in">
      ${why !== null && html`<p class="note" id="sign-in-why" role="status">${why}</p>`}
      ${isElsewhere && html`<p class="buttons"><button ref=${elsewhere} type="button" class="main" aria-describedby=${why === null ? null : 'sign-in-why'} onClick=${signInElsewhere}>Sign in with ${issuerHost(oidc.issuer)}</button></p>`}
      ${isElsewhere && passwords && html`<p class="note">Or with a password of this engine:</p>`}
      ${passwords || oidc === null
        ? html`
            <form class="fields" onSubmit=${submit}>
              <label>E-mail <input ref=${email} name="email" type="email" required autocomplete="username" /></label>
              <label>Password <input name="password" type="password" required autocomplete="current-password" /></label>
              <p class="said error" role="alert">${fault}</p>
              <button type="submit" class=${isElsewhere ? '' : 'main'} disabled=${isBusy}>${isBusy ? 'Signing in…' : 'Sign in'}</button>
            </form>
          `
        : !isElsewhere && html`<p class="note">Accounts of this engine are those of <strong>${oidc.issuer}</strong>; programs come with a token of it.</p>`}
      ${settings.mail && (passwords || oidc === null) && html`<${ByMail} kind="reset" />`}
      ${settings.registration && html`<${ByMail} kind="register" />`}
      ${!settings.mail && oidc === null && html`<p class="note">Accounts are made by an administrator, who can reset a password, too.</p>`}
    <//>
  `;
}

const WISHES = /** @type {const} */ ({
  reset: { summary: 'Forgotten your password?', path: '/auth/password-reset', done: 'If there is an account of this address, a link to choose another password is on its way.' },
  register: { summary: 'New here?', path: '/auth/register', done: 'A link to go on with is on its way to this address.' },
});

/** What goes on with a link by mail. @param {{ kind: keyof typeof WISHES }} props */
function ByMail({ kind }) {
  const { summary, path, done } = WISHES[kind];
  const [said, setSaid] = useState({ text: '', isError: false });
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const field = (/** @type {string} */ name) => event.currentTarget.elements.namedItem(name).value.trim();
    try {
      await postJson(path, { email: field('email'), ...(kind === 'register' ? { name: field('name') } : {}) }, null);
      setSaid({ text: done, isError: false });
    } catch (error) {
      setSaid({ text: /** @type {Error} */ (error).message, isError: true });
    }
  };
  return html`
    <details>
      <summary>${summary}</summary>
      <form class="fields" onSubmit=${submit}>
        ${kind === 'register' && html`<label>Your name <input name="name" required maxlength="128" autocomplete="name" /></label>`}
        <label>E-mail <input name="email" type="email" required autocomplete="email" /></label>
        <p class=${said.isError ? 'said error' : 'said'} role="status">${said.text}</p>
        <button type="submit">Send a link</button>
      </form>
    </details>
  `;
}
