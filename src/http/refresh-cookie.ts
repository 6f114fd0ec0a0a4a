import type { HeaderFields } from './exchange.ts';
import { cookieOf } from './request-cookies.ts';

/** The refresh token of a page: in a cookie that no script reads, no page of another site makes a browser send, and that goes nowhere but to log-ins. */

const NAME = 'seg_refresh';
/** Of everything under it. */
const PATH = '/api/v1/auth';

export interface CookieSettings {
  /** Where people reach the engine by https: the cookie never goes another way then. */
  isSecure: boolean;
}

export function refreshCookie(token: string, expiresAt: number, nowMs: number, { isSecure }: CookieSettings): HeaderFields {
  const maxAgeS = Math.max(0, Math.floor((expiresAt - nowMs) / 1_000));
  return [['set-cookie', `${NAME}=${token}; Path=${PATH}; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`]];
}

export function noRefreshCookie(settings: CookieSettings): HeaderFields {
  return refreshCookie('', 0, 0, settings);
}

/** null: the request has none. */
export function refreshTokenOf(cookies: string): string | null {
  return cookieOf(cookies, NAME);
}
