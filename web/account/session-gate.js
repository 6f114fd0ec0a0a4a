// @ts-check
import { html, useEffect } from '../ui.js';
import { NewPassword } from './new-password.js';
import { useSession, startSession } from './session.js';
import { SignIn } from './sign-in.js';

/**
 * Shows the page to whoever may see it, and the way in to others.
 * @param {{ children: (me: import('./account-types.js').Me | null) => any }} props called with null in an engine without accounts
 */
export function SessionGate({ children }) {
  const session = useSession();
  useEffect(() => void startSession(), []);
  if (session.phase === 'open') return children(null);
  if (session.phase === 'signedIn') return children(session.me);
  if (session.phase === 'signedOut') return html`<${SignIn} settings=${session.settings} why=${session.why} />`;
  if (session.phase === 'mustChange') return html`<${Doorway}><h1>A password of your own</h1><p class="note">The one you came in with counts once.</p><${NewPassword} /><//>`;
  if (session.phase === 'unreachable') {
    return html`<${Doorway}><h1>The engine does not answer</h1><p class="note error">${session.problem}</p><p><button type="button" class="main" onClick=${startSession}>Try again</button></p><//>`;
  }
  return html`<${Doorway}><p class="note" role="status">Loading…</p><//>`;
}

/** What is shown before anybody is let in. @param {{ children?: any }} props */
export function Doorway({ children }) {
  return html`
    <main id="main" class="doorway">
      <section class="panel">
        <p class="brand"><img src="/favicon.svg" alt="" width="28" height="28" /> Smart Energy Grid</p>
        ${children}
      </section>
    </main>
  `;
}
