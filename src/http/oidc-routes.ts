import { z } from 'zod';
import type { SignInFault } from '../actors/accounts/protocol.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { AccountDesk } from './account-desk.ts';
import { PEER_HEADERS, peerOf } from './account-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import type { Operation } from './operation.ts';
import { isNobodysName } from './own-pages.ts';
import type { Problem } from './problem-details.ts';
import { refreshCookie } from './refresh-cookie.ts';
import type { Answer } from './route-answers.ts';
import { noSignInCookie, SIGN_IN_PATH, signInCookie, signInFlowOf } from './sign-in-cookie.ts';

/**
 * /api/v1/auth/oidc: to another issuer and back, by a browser that follows links. What went wrong is said by the page, which everybody comes back to: `/?sign-in=CODE#…`. No address of the request is ever gone to, but for a place of the
 * page in its fragment.
 */

const CALLBACK = `${SIGN_IN_PATH}/callback`;
/** A place in the page as a browser writes it. It comes back in a cookie, beside a code of a kilobyte, in a head that uWebSockets reads to 4 KiB. */
const FROM_CHARS_MAX = 256;
const fromField = z
  .string()
  .max(FROM_CHARS_MAX, `expected ${FROM_CHARS_MAX} characters at most`)
  .regex(/^(?:#[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?$/, 'expected the fragment of an address of the page, with its #')
  .default('');
/** Some issuers put all that they know into a code; longer than a head it is not. */
const PARAMETER_CHARS_MAX = 4_096;
const parameter = z.string().max(PARAMETER_CHARS_MAX, `expected ${PARAMETER_CHARS_MAX} characters at most`).optional();

const publicly = (id: string, summary: string, headers: readonly string[]): Pick<Operation, 'id' | 'summary' | 'tag' | 'access' | 'headers' | 'redirects'> => ({ id, summary, tag: 'Accounts', access: 'public', headers, redirects: true });

export function addOidcRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const { cookie } = accounts;

  routes.get(`${SIGN_IN_PATH}/start`, publicly('startSignIn', 'Sends a browser to the other issuer, to sign in there', ['host']), z.object({ from: fromField }), async ({ query: { from }, headers }) => {
    const redirectUri = callbackAddress(accounts.publicUrl, headers.host);
    if (redirectUri === null) return NO_ADDRESS;
    const begun = await accounts.ask({ kind: 'beginSignIn', redirectUri, from });
    if ('fault' in begun) return backToPage(from, begun.fault);
    return { document: null, redirect: begun.location, headers: [signInCookie(begun.flow, begun.lifeMs, cookie)] };
  });

  const answerQuery = z.object({ state: parameter, code: parameter, iss: parameter, error: parameter, error_description: parameter });
  const callback = { ...publicly('finishSignIn', 'Where a browser comes back to from the other issuer: signs the person in, and sends them to the page', [...PEER_HEADERS, 'cookie']), foreignQuery: true as const };
  routes.get(CALLBACK, callback, answerQuery, async ({ query, ...request }) => {
    try {
      const { from, ...ended } = await accounts.ask({ kind: 'finishSignIn', flow: signInFlowOf(request.headers.cookie), answer: query, peer: peerOf(request) });
      const refresh = 'logIn' in ended ? refreshCookie(ended.logIn.refreshToken, ended.logIn.refreshExpiresAt, request.nowMs, cookie) : [];
      return { ...backToPage(from, 'fault' in ended ? ended.fault : null), headers: [noSignInCookie(cookie), ...refresh] };
    } catch (error) {
      // A person follows a link here: what is away for a moment is said by the page, too.
      if (error instanceof OperationalError && error.retryable) return backToPage('', 'engine_away');
      throw error;
    }
  });
}

/** A path: it leads nowhere else. */
function backToPage(from: string, fault: SignInFault | 'engine_away' | null): Answer {
  return { document: null, redirect: `/${fault === null ? '' : `?sign-in=${fault}`}${from}` };
}

/** By the address of the settings, else by the one that the browser has used; null: another name than those that nobody else can have lead here. */
function callbackAddress(publicUrl: string | null, host: string): string | null {
  if (publicUrl !== null) return `${publicUrl}${CALLBACK}`;
  return isNobodysName(host) ? `${new URL(`http://${host}`).origin}${CALLBACK}` : null;
}

const NO_ADDRESS: Problem = { status: 421, code: 'no_public_address', detail: 'People come back from the other issuer to an address that it knows. At a name the engine has to be told it: SEG_PUBLIC_URL.' };
