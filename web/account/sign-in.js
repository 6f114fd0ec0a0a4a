// @ts-check
import { html, useEffect, useRef, useState } from '../ui.js';
import { Doorway } from './session-gate.js';
import { signIn } from './session.js';

/** @param {{ settings: import('./account-types.js').AuthSettings, why: string | null }} props */
export function SignIn({ settings, why }) {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const email = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    document.title = 'Sign in – Smart Energy Grid';
    email.current?.focus();
  }, []);

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
    <${Doorway}>
      <h1>Sign in</h1>
      ${why !== null && html`<p class="note" role="status">${why}</p>`}
      <form class="fields" onSubmit=${submit}>
        <label>E-mail <input ref=${email} name="email" type="email" required autocomplete="username" /></label>
        <label>Password <input name="password" type="password" required autocomplete="current-password" /></label>
        <p class="said error" role="alert">${fault}</p>
        <button type="submit" class="main" disabled=${isBusy}>${isBusy ? 'Signing in…' : 'Sign in'}</button>
      </form>
      <p class="note">${settings.registration ? 'New here? Ask your supplier for an account, or register over the API.' : 'Accounts are made by an administrator.'} Forgotten your password? Your supplier can reset it.</p>
    <//>
  `;
}
