import { randomBytes } from 'node:crypto';
import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { VOUCHED_MS } from '../../src/actors/accounts/accounts-state.ts';
import { IssuerGrants } from '../../src/actors/accounts/issuer-grants.ts';
import { OidcIssuer } from '../../src/actors/accounts/oidc-issuer.ts';
import { OidcSignIn } from '../../src/actors/accounts/oidc-sign-in.ts';
import type { LogIn, SignInAnswer } from '../../src/actors/accounts/protocol.ts';
import { FLOW_MS } from '../../src/actors/accounts/sign-in-flow.ts';
import { nullLog, type Log } from '../../src/runtime/log.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { AccountsWorld, PEER, refusal, ROOT, START_MS } from '../support/accounts-world.ts';
import { AUDIENCE, CLIENT, FakeIssuer } from '../support/fake-issuer.ts';

/** Signing in with an issuer of the test's own, over HTTP on this machine, in time that the test moves. */

const CALLBACK = 'http://127.0.0.1:3000/api/v1/auth/oidc/callback';
/** When the page renews its access token. */
const RENEWAL_MS = 8 * 60_000;

let issuer: FakeIssuer;
let time: VirtualTime;

beforeAll(async () => {
  issuer = await FakeIssuer.start();
});
beforeEach(() => {
  issuer.reset();
  time = new VirtualTime(START_MS);
  issuer.now = () => Math.floor(time.now() / 1_000);
});
afterAll(() => issuer.close());

interface Given {
  secret?: string | null;
  log?: Log;
}

function signInOf({ secret = CLIENT.secret, log = nullLog }: Given): { foreign: OidcIssuer; signIn: IssuerGrants } {
  const foreign = new OidcIssuer({ issuer: issuer.url, audience: AUDIENCE, rolesClaim: 'roles', regionsClaim: 'regions' }, { clock: time, log });
  const signIn = new OidcSignIn({ clientId: CLIENT.id, clientSecret: secret, scopes: 'openid profile' }, { issuer: foreign, clock: time, log, random: randomBytes });
  return { foreign, signIn: new IssuerGrants(signIn, { clock: time }) };
}

const world = (given: Given = {}): Promise<AccountsWorld> => AccountsWorld.start({ passwordLogIn: 'none', registration: false }, { time, ...signInOf(given) });

async function begun(accounts: AccountsWorld, from = '#bills'): Promise<{ location: string; flow: string }> {
  const answer = await accounts.actor.ask({ kind: 'beginSignIn', redirectUri: CALLBACK, from });
  if ('fault' in answer) throw new Error(answer.fault);
  return answer;
}

const answerOf = (address: string): SignInAnswer => Object.fromEntries(new URL(address).searchParams);
const finish = (accounts: AccountsWorld, flow: string | null, address: string) => accounts.actor.ask({ kind: 'finishSignIn', flow, answer: answerOf(address), peer: PEER });

/** What comes of somebody who signs in at once. */
async function ended(accounts: AccountsWorld) {
  const { location, flow } = await begun(accounts);
  return finish(accounts, flow, issuer.signIn(location));
}

async function signedIn(accounts: AccountsWorld): Promise<LogIn> {
  const end = await ended(accounts);
  if ('fault' in end) throw new Error(end.fault);
  return end.logIn;
}

const fault = async (end: ReturnType<typeof ended>): Promise<string> => {
  const found = await end;
  return 'fault' in found ? found.fault : 'none';
};

const audited = async (accounts: AccountsWorld): Promise<string[]> => (await accounts.actor.ask({ kind: 'auditLog', query: { by: null, action: null, from: 0, to: Infinity, limit: 50, cursor: null } })).data.map(({ action }) => action);

describe('somebody who signs in with another issuer', () => {
  it('is sent there with what only this engine can go on with, and comes back to where they were', async () => {
    const accounts = await world();
    const { location, flow } = await begun(accounts, '#/north');
    const { origin, pathname, searchParams } = new URL(location);
    expect(`${origin}${pathname}`).toBe(`${issuer.url}/authorize`);
    expect(Object.fromEntries(searchParams)).toMatchObject({ tenant: '1', response_type: 'code', client_id: 'grid', redirect_uri: CALLBACK, scope: 'openid profile', code_challenge_method: 'S256', state: expect.stringMatching(/^[\w-]{43}$/), nonce: expect.stringMatching(/^[\w-]{43}$/) });
    expect(flow).not.toContain(searchParams.get('state'));
    const end = await finish(accounts, flow, issuer.signIn(location));
    expect(end).toMatchObject({ from: '#/north', logIn: { user: { name: 'Ada', email: 'ada@example.org', role: 'consumer', external: { subject: 'ada' } } } });
    expect(issuer.forms[0].authorization).toBe(`Basic ${Buffer.from('grid:a+secret%3A+of+ours').toString('base64')}`);
  });

  it('has a log-in of here: an access token, a refresh token, and a name in the audit log', async () => {
    const accounts = await world();
    const { user, accessToken, sessionId } = await signedIn(accounts);
    expect(await accounts.whose(accessToken)).toBe(user.id);
    expect((await accounts.actor.ask({ kind: 'sessions', userId: user.id })).map(({ id }) => id)).toEqual([sessionId]);
    expect(await audited(accounts)).toEqual(['logged_in', 'external_user_met']);
    // The same person with the next.
    expect((await signedIn(accounts)).user.id).toBe(user.id);
  });

  it('may do what the access token says where it is one for the engine, as a program that brings it, and else what the ID token says', async () => {
    const accounts = await world();
    issuer.claims = { ...issuer.claims, roles: ['operator'], regions: ['north'] };
    issuer.idClaims = { roles: undefined, regions: undefined };
    expect((await signedIn(accounts)).user).toMatchObject({ role: 'operator', regions: ['north'] });
    issuer.tokenAnswer = { access_token: 'opaque' };
    issuer.idClaims = { roles: ['admin'] };
    time.advance(1_000);
    expect((await signedIn(accounts)).user.role).toBe('admin');
    // Of somebody else it says nothing of this one.
    issuer.tokenAnswer = {};
    issuer.idClaims = { sub: 'eve', roles: [] };
    expect((await signedIn(accounts)).user.role).toBe('consumer');
  });

  it('is known by PKCE alone where there is no secret, and by one in the body where the issuer takes no other', async () => {
    await signedIn(await world({ secret: null }));
    issuer.configuration = { token_endpoint_auth_methods_supported: ['client_secret_post'] };
    await signedIn(await world());
    expect(issuer.forms.map(({ form, authorization }) => [authorization, form.get('client_id'), form.get('client_secret')])).toEqual([['', 'grid', null], ['', 'grid', CLIENT.secret]]);
  });

  it('is not in where the account of here is disabled', async () => {
    const accounts = await world();
    const { user } = await signedIn(accounts);
    await accounts.actor.ask({ kind: 'changeUser', id: user.id, version: null, change: { isDisabled: true }, by: ROOT });
    expect(await fault(ended(accounts))).toBe('account_disabled');
  });

  it('is nobody where the engine is set up for none of it', async () => {
    const accounts = await AccountsWorld.start();
    expect(await refusal(accounts.actor.ask({ kind: 'beginSignIn', redirectUri: CALLBACK, from: '' }))).toBe('sign_in_off');
    expect(await refusal(accounts.actor.ask({ kind: 'finishSignIn', flow: null, answer: {}, peer: PEER }))).toBe('sign_in_off');
  });
});

describe('what comes back is refused', () => {
  it('where this browser began nothing, or something else', async () => {
    const accounts = await world();
    const [one, other] = [await begun(accounts), await begun(accounts)];
    const address = issuer.signIn(one.location);
    expect(await finish(accounts, null, address)).toEqual({ from: '', fault: 'state_lost' });
    expect(await finish(accounts, 'sealed', address)).toEqual({ from: '', fault: 'state_lost' });
    expect(await finish(accounts, other.flow, address)).toEqual({ from: '#bills', fault: 'state_lost' });
    expect(await fault(finish(accounts, one.flow, `${CALLBACK}?code=code-1`))).toBe('state_lost');
    expect(issuer.forms).toHaveLength(0);
  });

  it('after ten minutes, and by another engine', async () => {
    const accounts = await world();
    const { location, flow } = await begun(accounts);
    const address = issuer.signIn(location);
    expect(await fault(finish(await world(), flow, address))).toBe('state_lost');
    time.advance(FLOW_MS);
    expect(await fault(finish(accounts, flow, address))).toBe('state_lost');
  });

  it('where the code was spent before', async () => {
    const accounts = await world();
    const { location, flow } = await begun(accounts);
    const address = issuer.signIn(location);
    expect(await fault(finish(accounts, flow, address))).toBe('none');
    expect(await fault(finish(accounts, flow, address))).toBe('not_proven');
  });

  it.each([
    ['an answer that names another issuer (RFC 9207)', { iss: 'https://elsewhere.example' }],
    ['one without a code', { code: '' }],
  ])('where it is %s', async (_what, parameters) => {
    const accounts = await world();
    const { location, flow } = await begun(accounts);
    const address = new URL(issuer.signIn(location));
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
    expect(await fault(finish(accounts, flow, address.href))).toBe('not_proven');
    expect(issuer.forms).toHaveLength(0);
  });

  it('where it does not name the issuer, which says that it does', async () => {
    const accounts = await world();
    const { location, flow } = await begun(accounts);
    const address = new URL(issuer.signIn(location));
    address.searchParams.delete('iss');
    expect(await fault(finish(accounts, flow, address.href))).toBe('not_proven');
  });

  it.each<[string, Record<string, unknown>]>([
    ['another nonce', { nonce: 'x'.repeat(43) }],
    ['no nonce', { nonce: undefined }],
    ['another audience', { aud: 'other' }],
    ['several audiences and another for whom it is', { aud: ['grid', 'other'], azp: 'other' }],
    ['another issuer', { iss: 'https://elsewhere.example' }],
    ['an end that is over', { iat: START_MS / 1_000 - 400, exp: START_MS / 1_000 - 31 }],
    ['no end', { exp: undefined }],
    ['nobody', { sub: undefined }],
    ['somebody of several lines', { sub: 'ada\nroot' }],
  ])('where the ID token has %s', async (_what, claims) => {
    issuer.idClaims = claims;
    const accounts = await world();
    expect(await fault(ended(accounts))).toBe('not_proven');
    expect(await audited(accounts)).toEqual([]);
  });

  it('where the ID token is signed by another, or there is none', async () => {
    issuer.signer = (await generateKeyPair('ES256')).privateKey;
    expect(await fault(ended(await world()))).toBe('not_proven');
    issuer.signer = null;
    issuer.tokenAnswer = { id_token: undefined };
    expect(await fault(ended(await world()))).toBe('not_proven');
  });

  it.each([
    ['access_denied', 'refused'],
    ['login_required', 'refused'],
    ['temporarily_unavailable', 'issuer_away'],
    ['unauthorized_client', 'client_refused'],
    ['made_up', 'not_proven'],
  ])('where the issuer says %s: %s', async (error, expected) => {
    const accounts = await world();
    const { location, flow } = await begun(accounts);
    expect(await fault(finish(accounts, flow, issuer.back(location, { error })))).toBe(expected);
  });
});

describe('an issuer', () => {
  it('that is away is said to be, before people are sent there and after', async () => {
    const accounts = await world();
    const { location, flow } = await begun(accounts);
    const address = issuer.signIn(location);
    issuer.isDown = true;
    expect(await fault(finish(accounts, flow, address))).toBe('issuer_away');
    expect(await (await world()).actor.ask({ kind: 'beginSignIn', redirectUri: CALLBACK, from: '' })).toEqual({ fault: 'issuer_away' });
  });

  it.each<[string, FakeIssuer['instead'], string]>([
    ['cuts the connection', (response) => void response.destroy(), 'issuer_away'],
    ['cuts it within the answer', (response) => void response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }).write('{', () => response.destroy()), 'issuer_away'],
    ['answers without an end', (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(`{"x":"${'x'.repeat(300 * 1024)}"}`), 'issuer_away'],
    ['sends the engine elsewhere', (response) => void response.writeHead(302, { location: `${issuer.url}/inside` }).end(), 'issuer_away'],
    ['does not know the engine', (response) => void response.writeHead(401, { 'content-type': 'application/json', 'www-authenticate': 'Basic realm="x"' }).end('{"error":"invalid_client"}'), 'client_refused'],
    ['answers with no JSON', (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'), 'not_proven'],
  ])('that %s lets nobody in', async (_what, instead, expected) => {
    issuer.instead = instead;
    expect(await fault(ended(await world()))).toBe(expected);
    expect(issuer.asked).not.toContain('/realm/inside');
  });

  it.each([['none', undefined], ['no address', 7], ['what a browser runs', 'javascript:alert(1)']])('whose page to sign in at is %s sends nobody anywhere', async (_what, endpoint) => {
    issuer.configuration = { authorization_endpoint: endpoint };
    expect(await (await world()).actor.ask({ kind: 'beginSignIn', redirectUri: CALLBACK, from: '' })).toEqual({ fault: 'issuer_away' });
  });

  it('has none of its tokens in the log', async () => {
    const lines: string[] = [];
    const keep = (...of: unknown[]): void => void lines.push(JSON.stringify(of, (_, value: unknown) => (value instanceof Error ? { ...value, message: value.message, cause: value.cause } : value)));
    issuer.idClaims = { nonce: 'another' };
    await ended(await world({ log: { ...nullLog, warn: keep, error: keep, info: keep } as Log }));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('nonce');
    expect(lines[0]).not.toMatch(/eyJ|refresh-\d|code-\d/);
  });
});

describe('a log-in that another issuer vouches for', () => {
  it('goes on as long as the issuer says so with each renewal, and what it says of the person counts at once', async () => {
    const accounts = await world();
    let logIn = await signedIn(accounts);
    for (let i = 0; i < 10; i++) {
      time.advance(RENEWAL_MS);
      logIn = await accounts.refresh(logIn.refreshToken);
      expect(logIn.refreshExpiresAt).toBe(time.now() + VOUCHED_MS);
    }
    issuer.claims = { ...issuer.claims, roles: ['operator'], regions: ['south'] };
    time.advance(RENEWAL_MS);
    logIn = await accounts.refresh(logIn.refreshToken);
    expect(logIn.user).toMatchObject({ role: 'operator', regions: ['south'] });
    issuer.endAll();
    time.advance(RENEWAL_MS);
    expect(await refusal(accounts.refresh(logIn.refreshToken))).toBe('invalid_refresh_token');
    expect(await accounts.whose(logIn.accessToken)).toBe('revoked_token');
    expect((await audited(accounts))[0]).toBe('issuer_ended_session');
  });

  it('asks once where several tabs renew it, and not again within a minute', async () => {
    const accounts = await world();
    const { refreshToken } = await signedIn(accounts);
    await accounts.refresh(refreshToken);
    expect(issuer.forms).toHaveLength(1);
    time.advance(RENEWAL_MS);
    const { refreshToken: next } = await signedIn(accounts);
    time.advance(RENEWAL_MS);
    const [one, other] = await Promise.all([accounts.refresh(next), accounts.refresh(next)]);
    expect([one.refreshToken === other.refreshToken, issuer.forms.length]).toEqual([true, 3]);
  });

  it('goes on for an hour while the issuer is away, and no longer', async () => {
    const accounts = await world();
    let { refreshToken, refreshExpiresAt } = await signedIn(accounts);
    issuer.isDown = true;
    for (let i = 0; i < 7; i++) {
      time.advance(RENEWAL_MS);
      const renewed = await accounts.refresh(refreshToken);
      expect(renewed.refreshExpiresAt).toBe(refreshExpiresAt);
      ({ refreshToken } = renewed);
    }
    time.advance(RENEWAL_MS);
    const { length } = issuer.asked;
    expect(await refusal(accounts.refresh(refreshToken))).toBe('invalid_refresh_token');
    // Of what is over nobody is asked.
    expect(issuer.asked).toHaveLength(length);
  });

  it('goes on for an hour where the issuer gives nothing to ask it with, or the engine has begun anew', async () => {
    issuer.tokenAnswer = { refresh_token: undefined };
    const accounts = await world();
    const { refreshToken, refreshExpiresAt } = await signedIn(accounts);
    time.advance(RENEWAL_MS);
    expect(await accounts.refresh(refreshToken)).toMatchObject({ refreshExpiresAt });
    issuer.tokenAnswer = {};
    const forgetful = await signedIn(accounts);
    const again = await AccountsWorld.start({ passwordLogIn: 'none', registration: false }, { store: accounts.store.crash('kept'), time, ...signInOf({}) });
    time.advance(RENEWAL_MS);
    const renewed = await again.refresh(forgetful.refreshToken);
    expect(renewed.refreshExpiresAt).toBe(forgetful.refreshExpiresAt);
    time.advance(VOUCHED_MS);
    expect(await refusal(again.refresh(renewed.refreshToken))).toBe('invalid_refresh_token');
  });

  it('goes on with what is known where the issuer says no more than that it does', async () => {
    issuer.claims = { ...issuer.claims, roles: ['admin'] };
    const accounts = await world();
    const { refreshToken } = await signedIn(accounts);
    issuer.tokenAnswer = { id_token: undefined };
    time.advance(RENEWAL_MS);
    expect((await accounts.refresh(refreshToken)).user.role).toBe('admin');
  });

  it('ends where the issuer speaks of somebody else', async () => {
    const accounts = await world();
    const { refreshToken } = await signedIn(accounts);
    issuer.claims = { ...issuer.claims, sub: 'eve' };
    time.advance(RENEWAL_MS);
    expect(await refusal(accounts.refresh(refreshToken))).toBe('invalid_refresh_token');
  });

  it('ends here with a log-out, and the issuer is asked no more', async () => {
    const parts = signInOf({});
    const accounts = await AccountsWorld.start({ passwordLogIn: 'none', registration: false }, { time, ...parts });
    const { refreshToken, accessToken, sessionId } = await signedIn(accounts);
    await accounts.actor.ask({ kind: 'logOut', refreshToken, sessionId: null, peer: PEER });
    time.advance(RENEWAL_MS);
    expect([await refusal(accounts.refresh(refreshToken)), await accounts.whose(accessToken)]).toEqual(['invalid_refresh_token', 'revoked_token']);
    // There is nothing left to ask with.
    expect([await parts.signIn.ask(sessionId, 'ada'), issuer.forms.length]).toEqual([null, 1]);
  });

  it('is no other than before for who has a password here', async () => {
    const accounts = await AccountsWorld.start({}, { time, ...signInOf({}) });
    await accounts.addUser('bob@example.org');
    const { refreshToken } = await accounts.logIn('bob@example.org');
    time.advance(VOUCHED_MS + 1);
    expect((await accounts.refresh(refreshToken)).refreshExpiresAt).toBe(time.now() + 14 * 86_400_000);
    expect(issuer.asked).toEqual([]);
  });
});
