// @ts-check
import { useEffect, useState } from '../ui.js';
import { credentials, getJson, postJson, Refusal } from '../api.js';

/**
 * Who sits in front of the page. The access token is in memory alone, where no other page and no later visitor finds it; the refresh token is in a cookie that scripts do not see.
 *
 * @typedef {import('./account-types.js').Session} Session
 * @typedef {import('./account-types.js').Tokens} Tokens
 */

/** That somebody signed in on this browser: without it there is no cookie to ask with. */
const SIGNED_IN_KEY = 'seg.signed-in';
/** A token is renewed so long before it ends: a question on its way gets there with one that counts. */
const RENEW_BEFORE_S = 30;

/** @type {Session} */
let session = { phase: 'starting' };
/** @type {Set<(session: Session) => void>} */
const listeners = new Set();
/** @type {Promise<string | null> | null} */
let renewing = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let renewTimer;

/** @param {Session} next */
function become(next) {
  session = next;
  for (const listener of listeners) listener(next);
}

/** Finds out whether the engine has accounts, and who is signed in. */
export async function startSession() {
  become({ phase: 'starting' });
  try {
    const settings = await authSettings();
    if (settings.accounts !== 'on') return become({ phase: 'open' });
    credentials.renew = renewed;
    if (wasSignedIn() && (await renewed()) !== null) return await enter();
    become({ phase: 'signedOut', settings, why: null });
  } catch (error) {
    become({ phase: 'unreachable', problem: /** @type {Error} */ (error).message });
  }
}

/** @returns {Promise<import('./account-types.js').AuthSettings>} */
async function authSettings() {
  try {
    return await getJson('/auth/settings', {});
  } catch (error) {
    // An engine of before there were accounts.
    if (error instanceof Refusal && error.status === 404) return { accounts: 'off' };
    throw error;
  }
}

/** Rejects with what the gateway said. @param {string} email @param {string} password */
export async function signIn(email, password) {
  /** @type {Tokens} */
  const tokens = await postJson('/auth/login', { email, password }, null);
  keep(tokens);
  if (tokens.mustChangePassword) return become({ phase: 'mustChange' });
  await enter();
}

/** Changes the password of who is signed in, who goes on with the new one. @param {string} currentPassword @param {string} newPassword */
export async function changePassword(currentPassword, newPassword) {
  await postJson('/auth/password', { currentPassword, newPassword }, null);
  if (session.phase !== 'mustChange') return;
  await renewed();
  await enter();
}

/** @param {boolean} [everywhere] also on the other browsers and phones */
export async function signOut(everywhere = false) {
  await postJson(everywhere ? '/auth/logout-everywhere' : '/auth/logout', {}, null).catch(() => null);
  await leave(null);
}

/** Profile and preferences as they are now. */
export async function enter() {
  become({ phase: 'signedIn', me: await getJson('/me', {}) });
}

/** The session has ended, for whatever reason. @param {string | null} why */
async function leave(why) {
  clearTimeout(renewTimer);
  credentials.token = null;
  setSignedIn(false);
  become({ phase: 'signedOut', settings: await authSettings().catch(() => ({ accounts: /** @type {const} */ ('on') })), why });
}

/** A new token, or null when the session is over. Several questions at once share one. */
function renewed() {
  renewing ??= (async () => {
    try {
      keep(await postJson('/auth/refresh', {}, null));
      return credentials.token;
    } catch (error) {
      if (!(error instanceof Refusal) || (error.status !== 401 && error.status !== 403)) throw error;
      const wasIn = session.phase === 'signedIn';
      credentials.token = null;
      setSignedIn(false);
      if (wasIn) await leave('Your session has ended. Sign in again.');
      return null;
    }
  })().finally(() => {
    renewing = null;
  });
  return renewing;
}

/** @param {Tokens} tokens */
function keep({ accessToken, expiresIn }) {
  credentials.token = accessToken;
  setSignedIn(true);
  clearTimeout(renewTimer);
  renewTimer = setTimeout(() => void renewed().catch(() => null), Math.max(1, expiresIn - RENEW_BEFORE_S) * 1_000);
}

function wasSignedIn() {
  try {
    return localStorage.getItem(SIGNED_IN_KEY) !== null;
  } catch {
    return true;
  }
}

/** @param {boolean} isIn */
function setSignedIn(isIn) {
  try {
    if (isIn) localStorage.setItem(SIGNED_IN_KEY, 'yes');
    else localStorage.removeItem(SIGNED_IN_KEY);
  } catch {
    // It is asked for then.
  }
}

/** @returns {Session} */
export function useSession() {
  const [seen, setSeen] = useState(session);
  useEffect(() => {
    listeners.add(setSeen);
    setSeen(session);
    return () => void listeners.delete(setSeen);
  }, []);
  return seen;
}

/** Who is signed in; null in an engine without accounts. @returns {import('./account-types.js').Me | null} */
export function whoIsIn() {
  return session.phase === 'signedIn' ? session.me : null;
}

/** What goes into a write as its author: with accounts the engine knows it. @param {string} name @returns {{ by?: string }} */
export function authorOf(name) {
  return whoIsIn() === null ? { by: name } : {};
}
