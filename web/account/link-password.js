// @ts-check
import { html, useState } from '../ui.js';
import { postJson } from '../api.js';
import { Doorway } from './doorway.js';

/** Pages that links by mail lead to: `#verify/TOKEN`, `#reset/TOKEN`. */
export const LINKS = {
  verify: { title: 'Choose a password', path: '/auth/verify', done: 'Your account is there.' },
  reset: { title: 'Choose another password', path: '/auth/password-reset/confirm', done: 'Your password is changed.' },
};

/** Whoever followed a link chooses a password. @param {{ kind: string, token: string }} props */
export function LinkPassword({ kind, token }) {
  const { title, path, done } = LINKS[/** @type {keyof typeof LINKS} */ (kind)];
  const [fault, setFault] = useState('');
  const [isDone, setDone] = useState(false);
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    try {
      await postJson(path, { token, password: event.currentTarget.elements.namedItem('password').value }, null);
      setDone(true);
      // The token was good once.
      history.replaceState(null, '', '#');
    } catch (error) {
      setFault(/** @type {Error} */ (error).message);
    }
  };
  const signIn = () => location.reload();
  return html`
    <${Doorway} title=${title}>
      ${isDone
        ? html`<p role="status">${done}</p><p><button type="button" class="main" onClick=${signIn}>Sign in</button></p>`
        : html`
            <form class="fields" onSubmit=${submit}>
              <label>Password <input name="password" type="password" required minlength="10" maxlength="256" autocomplete="new-password" /></label>
              <p class="said error" role="alert">${fault}</p>
              <button type="submit" class="main">Go on</button>
            </form>
          `}
    <//>
  `;
}
