// @ts-check
/** Signing in with another issuer: the engine does it, and the browser follows links there and back (docs/ACCESS.md). */

const START = '/api/v1/auth/oidc/start';
/** A place in the page as the engine takes it back. */
const PLACE = /^#[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{0,255}$/;

/** @type {Record<string, (host: string) => string>} */
const FAULTS = {
  issuer_away: (host) => `${host} does not answer at the moment. Try again in a minute.`,
  refused: (host) => `${host} did not let you in, or you did not go on there. Start again.`,
  client_refused: (host) => `${host} does not know this engine as it is set up. Tell an administrator: the engine's log says why.`,
  not_proven: (host) => `What ${host} said does not prove who you are. Start again, and tell an administrator if it happens again.`,
  state_lost: () => 'Signing in took too long, or was begun in another tab or browser. Start again.',
  account_disabled: () => 'Your account is disabled here. Ask an administrator.',
  engine_away: () => 'The engine could not sign you in at the moment. Try again in a minute.',
};

/** As people know it. @param {string} issuer */
export function issuerHost(issuer) {
  return URL.canParse(issuer) ? new URL(issuer).host : issuer;
}

/** Where to go to sign in, and come back from to where one is. */
export function startAddress() {
  return `${START}?from=${encodeURIComponent(PLACE.test(location.hash) ? location.hash : '')}`;
}

/**
 * Why whoever came back is not signed in; null: nobody came back so. The address says it, once: it is taken out, so that a bookmark does not say it again.
 * @param {{ issuer: string } | null} oidc
 */
export function takeFault(oidc) {
  const code = new URLSearchParams(location.search).get('sign-in');
  if (code === null || oidc === null) return null;
  history.replaceState(null, '', `${location.pathname}${location.hash}`);
  const words = Object.hasOwn(FAULTS, code) ? FAULTS[code] : FAULTS.not_proven;
  return words(issuerHost(oidc.issuer));
}
