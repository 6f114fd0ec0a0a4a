// @ts-check
import { html, useEffect } from '../ui.js';
import { parseRoute } from '../route.js';
import { Doorway } from './doorway.js';
import { NewPassword } from './new-password.js';
import { useSession, startSession } from './session.js';
import { LINKS, LinkPassword } from './link-password.js';
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
  const { page, id } = parseRoute(location.hash);
  if (session.phase === 'signedOut' && Object.hasOwn(LINKS, page) && id !== null) return html`<${LinkPassword} kind=${page} token=${id} />`;
  if (session.phase === 'signedOut') return html`<${SignIn} settings=${session.settings} why=${session.why} />`;
  if (session.phase === 'mustChange') return html`<${Doorway} title="A password of your own"><p class="note">The one you came in with counts once.</p><${NewPassword} email=${session.email} /><//>`;
  if (session.phase === 'unreachable') {
    return html`<${Doorway} title="The engine does not answer"><p class="note error">${session.problem}</p><p><button type="button" class="main" onClick=${startSession}>Try again</button></p><//>`;
  }
  return html`<${Doorway} title=${null}><p class="note" role="status">Loading…</p><//>`;
}
