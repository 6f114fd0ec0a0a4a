import type { HeaderFields } from './exchange.ts';
import type { CookieSettings } from './refresh-cookie.ts';
import { cookieOf } from './request-cookies.ts';

/** What a browser keeps while somebody signs in with another issuer. They come back by a link of that site, with which a strict cookie would not be sent. */

const NAME = 'seg_sign_in';
export const SIGN_IN_PATH = '/api/v1/auth/oidc';

export function signInCookie(flow: string, lifeMs: number, { isSecure }: CookieSettings): HeaderFields[number] {
  return ['set-cookie', `${NAME}=${flow}; Path=${SIGN_IN_PATH}; Max-Age=${Math.floor(lifeMs / 1_000)}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`];
}

export function noSignInCookie(settings: CookieSettings): HeaderFields[number] {
  return signInCookie('', 0, settings);
}

/** null: the request has none. */
export function signInFlowOf(cookies: string): string | null {
  return cookieOf(cookies, NAME);
}
