// @ts-check
import { useEffect, useState } from '../ui.js';
import { credentials, getJson, postJson, Refusal } from '../api.js';
import { startAddress, takeFault } from './other-issuer.js';

/**
 * Who sits in front of the page. The access token is in memory alone, where no other page and no later visitor finds it; the refresh token is in a cookie that scripts do not see.
 *
 * @typedef {import('./account-types.js').Session} Session
 * @typedef {import('./account-types.js').LogIn} LogIn
 */

/** That somebody signed in on this browser: without it there is no cookie to ask with. */
const SIGNED_IN_KEY = 'seg.signed-in';
/** A token is renewed so long before it ends: a question on its way gets there with one that counts. */
const RENEW_BEFORE_MS = 30_000;
/** Where this machine's clock is off, no sooner and no later than this. */
const RENEW_AFTER_MS = { min: 20_000, max: 480_000 };
/** An engine of before there were accounts. @type {import('./account-types.js').AuthSettings} */
const NO_ACCOUNTS = { accounts: 'off', registration: false, mail: false, passwords: false, oidc: null };

/** @type {Session} */
let session = { phase: 'starting' };
/** @type {Set<(session: Session) => void>} */
const listeners = new Set();
/** @type {Promise<string | null> | null} */
let renewing = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let renewTimer;
/** @type {Promise<void> | null} */
let looking = null;
let mustLook = false;
let isLeaving = false;

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
    const why = takeFault(settings.oidc);
    if (!wasSignedIn() || (await renewed()) === null) become({ phase: 'signedOut', settings, why });
  } catch (error) {
    become({ phase: 'unreachable', problem: /** @type {Error} */ (error).message });
  }
}

/** @returns {Promise<import('./account-types.js').AuthSettings>} */
async function authSettings() {
  try {
    return await getJson('/auth/settings', {});
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return NO_ACCOUNTS;
    throw error;
  }
}

/** Rejects with what the gateway said. @param {string} email @param {string} password */
export async function signIn(email, password) {
  try {
    keep(await postJson('/auth/login', { email, password, cookie: true }, null));
  } catch (error) {
    if (error instanceof Refusal && error.code === 'password_change_required') return become({ phase: 'mustChange', email });
    throw error;
  }
}

/** Leaves the page, for the other issuer. Whoever comes back has the cookie, or is told why not. */
export function signInElsewhere() {
  setSignedIn(true);
  location.assign(startAddress());
}

/** Replaces a password; every other log-in of the account ends, and this one goes on. @param {string} email @param {string} password until now @param {string} newPassword */
export async function changePassword(email, password, newPassword) {
  keep(await postJson('/auth/password', { email, password, newPassword, cookie: true }, null));
}

/** @param {boolean} [everywhere] also on the other browsers and phones */
export async function signOut(everywhere = false) {
  isLeaving = true;
  try {
    await postJson(everywhere ? '/auth/logout-everywhere' : '/auth/logout', {}, null).catch(() => null);
    await leave(null);
  } finally {
    isLeaving = false;
  }
}

/** The stream says that the session has ended: whether that is so. */
export async function sessionEnded() {
  return (await renewed().catch(() => '')) === null;
}

/**
 * What somebody may do is, or may be, another than it was: asks who they are now. Several changes at once share a question, and each is followed by one that was asked after it. Rejects as getJson does; the next
 * token says it then.
 */
export async function accessChanged() {
  if (whoIsIn() === null) return;
  mustLook = true;
  looking ??= lookAgain();
  await looking;
}

async function lookAgain() {
  try {
    while (mustLook && whoIsIn() !== null) {
      mustLook = false;
      const before = session;
      const me = /** @type {import('./account-types.js').Me} */ (await getJson('/me', {}));
      // What came in between may be newer, or of somebody else.
      if (session === before) meet(me);
      else mustLook = true;
    }
  } finally {
    looking = null;
  }
}

/** What was changed of who is signed in. @param {import('./account-types.js').Me} me */
export function updateMe(me) {
  become({ phase: 'signedIn', me });
}

/** The session has ended, for whatever reason. @param {string | null} why */
async function leave(why) {
  clearTimeout(renewTimer);
  credentials.token = null;
  setSignedIn(false);
  become({ phase: 'signedOut', settings: await authSettings().catch(() => ({ ...NO_ACCOUNTS, accounts: /** @type {const} */ ('on'), passwords: true })), why });
}

/** A new token, or null when the session is over. Several questions at once share one. */
function renewed() {
  // The stream is closed, and questions under way are refused, before the page has heard that it is signed out.
  if (isLeaving) return Promise.resolve(null);
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

/** Somebody is in, or still is. @param {LogIn} logIn */
function keep({ accessToken, accessExpiresAt, user }) {
  credentials.token = accessToken;
  setSignedIn(true);
  clearTimeout(renewTimer);
  const leftMs = Date.parse(accessExpiresAt) - Date.now() - RENEW_BEFORE_MS;
  renewTimer = setTimeout(() => void renewed().catch(() => null), Math.min(RENEW_AFTER_MS.max, Math.max(RENEW_AFTER_MS.min, leftMs)));
  meet(user);
}

/** Nothing is drawn anew where they are as they were. @param {import('./account-types.js').Me} me */
function meet(me) {
  if (session.phase !== 'signedIn' || JSON.stringify(session.me) !== JSON.stringify(me)) become({ phase: 'signedIn', me });
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
