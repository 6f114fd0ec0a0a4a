// @ts-check
import { html, useState } from '../ui.js';
import { changePassword } from './session.js';

/** What the engine takes, so that somebody hears of it before it is sent. */
const PASSWORD_CHARS_MIN = 10;

/** Replaces the password of an account by another. @param {{ email: string }} props */
export function NewPassword({ email }) {
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState({ text: '', isError: false });

  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const [current, next, again] = ['current', 'next', 'again'].map((name) => form.elements.namedItem(name).value);
    if (next !== again) {
      setSaid({ text: 'The two are not the same.', isError: true });
      return form.elements.namedItem('again').focus();
    }
    setBusy(true);
    try {
      await changePassword(email, current, next);
      form.reset();
      setSaid({ text: 'Changed. Wherever else you were signed in, you are not any more.', isError: false });
    } catch (error) {
      setSaid({ text: /** @type {Error} */ (error).message, isError: true });
    }
    setBusy(false);
  };
  return html`
    <form class="fields" onSubmit=${submit}>
      <input class="hidden" name="email" type="email" autocomplete="username" value=${email} readonly tabindex="-1" aria-hidden="true" />
      <label>Password until now <input name="current" type="password" required autocomplete="current-password" /></label>
      <label>New password <input name="next" type="password" required minlength=${PASSWORD_CHARS_MIN} maxlength="256" autocomplete="new-password" aria-describedby="password-rule" /></label>
      <p class="note" id="password-rule">${PASSWORD_CHARS_MIN} characters or more; a few words are easier to keep than signs.</p>
      <label>Once more <input name="again" type="password" required autocomplete="new-password" /></label>
      <p class=${said.isError ? 'said error' : 'said'} role="status">${said.text}</p>
      <button type="submit" class="main" disabled=${isBusy}>Change the password</button>
    </form>
  `;
}
