import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AccountDesk } from '../../src/http/account-desk.ts';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { EngineProcess } from '../support/engine-process.ts';
import { fakeAccounts, type FakeAccounts } from '../support/fake-accounts.ts';
import { fakeEngine } from '../support/fake-engine.ts';
import { AUDIENCE, CLIENT, FakeIssuer } from '../support/fake-issuer.ts';

/** A browser that is sent to another issuer and comes back, as it follows links and keeps cookies. */

const START = '/api/v1/auth/oidc/start';
const START_TIMEOUT_MS = 60_000;

/** Values of the cookies that an answer sets; empty: it takes one away. */
function cookiesOf({ headers }: ApiReply): Record<string, string> {
  const fields = [headers['set-cookie'] ?? []].flat() as string[];
  return Object.fromEntries(fields.map((field) => field.split(';')[0].split('=', 2) as [string, string]));
}

/** Path and query, as a browser asks for an address of the engine. */
const targetOf = (address: string): string => address.replace(new URL(address).origin, '');

describe('an engine that people sign in to with another issuer', () => {
  let issuer: FakeIssuer;
  let engine: EngineProcess;
  const call = apiClient(() => engine.ports.http);
  const start = (from = '') => call('GET', `${START}${from === '' ? '' : `?from=${encodeURIComponent(from)}`}`, { headers: { host: `127.0.0.1:${engine.ports.http}` } });
  const back = (address: string, flow: string | null) => call('GET', targetOf(address), { headers: flow === null ? {} : { cookie: `other=1; seg_sign_in=${flow}` } });

  beforeAll(async () => {
    issuer = await FakeIssuer.start();
    engine = await EngineProcess.start({ settings: { AUTH: 'on', SHARDS: '1', OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE, OIDC_CLIENT_ID: CLIENT.id, OIDC_CLIENT_SECRET: CLIENT.secret } });
  }, START_TIMEOUT_MS);
  beforeEach(() => issuer.reset());
  afterAll(async () => {
    await engine?.dispose();
    await issuer.close();
  });

  test('tells the page so, and its secret to nobody', async () => {
    expect((await call('GET', '/api/v1/auth/settings')).body).toMatchObject({ passwords: false, oidc: { issuer: issuer.url, audience: AUDIENCE, signIn: true } });
    expect(JSON.stringify(engine.lines)).not.toContain(CLIENT.secret);
  });

  test('has them in the page where they were, with a session like any other', async () => {
    issuer.claims = { ...issuer.claims, roles: ['admin'] };
    const sent = await start('#bills/INV-1');
    expect([sent.status, sent.headers['cache-control'], sent.body]).toEqual([303, 'no-store', '']);
    expect(sent.headers['set-cookie']).toEqual([expect.stringMatching(/^seg_sign_in=[\w.-]{200,800}; Path=\/api\/v1\/auth\/oidc; Max-Age=600; HttpOnly; SameSite=Lax$/)]);
    expect(new URL(sent.headers.location).searchParams.get('redirect_uri')).toBe(engine.apiUrl('/api/v1/auth/oidc/callback'));
    const came = await back(issuer.signIn(sent.headers.location), cookiesOf(sent).seg_sign_in);
    expect([came.status, came.headers.location, came.headers['referrer-policy']]).toEqual([303, '/#bills/INV-1', 'no-referrer']);
    const { seg_refresh: refresh, seg_sign_in: flow } = cookiesOf(came);
    expect([refresh, flow]).toEqual([expect.stringMatching(/^segr_/), '']);
    const renewed = await call('POST', '/api/v1/auth/refresh', { body: {}, headers: { cookie: `seg_refresh=${refresh}` } });
    expect(renewed.body).toMatchObject({ refreshToken: null, user: { name: 'Ada', role: 'admin', issuer: issuer.url } });
    expect((await call('GET', '/api/v1/users', { headers: { authorization: `Bearer ${renewed.body.accessToken}` } })).status).toBe(200);
    await call('POST', '/api/v1/auth/logout', { body: {}, headers: { cookie: `seg_refresh=${cookiesOf(renewed).seg_refresh}` } });
    expect((await call('GET', '/api/v1/me', { headers: { authorization: `Bearer ${renewed.body.accessToken}` } })).status).toBe(401);
  });

  test('sends whoever comes back without their cookie, or with somebody else\'s, to the page, which says why', async () => {
    const [mine, theirs] = [await start('#bills'), await start('#account')];
    const address = issuer.signIn(mine.headers.location);
    for (const [flow, location] of [[null, '/?sign-in=state_lost'], [cookiesOf(theirs).seg_sign_in, '/?sign-in=state_lost#account']] as const) {
      const came = await back(address, flow);
      expect([came.status, came.headers.location, cookiesOf(came)]).toEqual([303, location, { seg_sign_in: '' }]);
    }
    expect((await back(address, cookiesOf(mine).seg_sign_in)).headers.location).toBe('/#bills');
    expect((await back(address, cookiesOf(mine).seg_sign_in)).headers.location).toBe('/?sign-in=not_proven#bills');
  });

  test('says on the page what the issuer did not do', async () => {
    const sent = await start('#bills');
    const flow = cookiesOf(sent).seg_sign_in;
    expect((await back(issuer.back(sent.headers.location, { error: 'access_denied', error_description: 'no & never' }), flow)).headers.location).toBe('/?sign-in=refused#bills');
    issuer.instead = (response) => void response.destroy();
    expect((await back(issuer.signIn(sent.headers.location), flow)).headers.location).toBe('/?sign-in=issuer_away#bills');
  });

  test('takes what issuers say beside it, however long, and nothing twice', async () => {
    const sent = await start();
    const flow = cookiesOf(sent).seg_sign_in;
    const address = issuer.back(sent.headers.location, { code: 'c'.repeat(2_500), scope: 'openid profile' });
    expect((await back(address, flow)).headers.location).toBe('/?sign-in=not_proven');
    const twice = await back(`${address}&code=another`, flow);
    expect([twice.status, twice.body.faults]).toEqual([400, [{ parameter: 'code', message: 'given more than once' }]]);
  });

  test.each<string>(['https://evil.example', '//evil.example', '/\\evil.example', 'evil', '#a\r\nset-cookie: x=1', '#<b>', `#${'x'.repeat(256)}`])('goes nowhere that the request says: %j', async (from) => {
    const { status, headers } = await start(from);
    expect([status, headers.location]).toEqual([400, undefined]);
  });

  test('sends nobody away from a name that it does not know for its own', async () => {
    const { status, body, headers } = await call('GET', START, { headers: { host: 'evil.example' } });
    expect([status, body.code, headers['set-cookie']]).toEqual([421, 'no_public_address', undefined]);
  });
});

describe('the gateway', () => {
  let gateway: Gateway;
  const call = apiClient(() => gateway.port);
  const open = async (more: Partial<AccountDesk>): Promise<FakeAccounts> => {
    const accounts = Object.assign(fakeAccounts(), more);
    gateway = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't' }, { engine: fakeEngine(), accounts, clock: systemClock, timers: systemTimers, log: nullLog });
    return accounts;
  };
  afterEach(() => gateway.close(0));

  test('has people come back to the address of its settings, and cookies go there by https alone', async () => {
    const accounts = await open({ publicUrl: 'https://grid.example.org', cookie: { isSecure: true } });
    const sent = await call('GET', `${START}?from=%23bills`);
    expect(accounts.asked).toEqual([{ kind: 'beginSignIn', redirectUri: 'https://grid.example.org/api/v1/auth/oidc/callback', from: '#bills' }]);
    expect(sent.headers['set-cookie'][0]).toMatch(/; SameSite=Lax; Secure$/);
    const came = await call('GET', '/api/v1/auth/oidc/callback?code=c&state=s', { headers: { cookie: 'seg_sign_in=sealed', 'user-agent': 'test' } });
    expect(accounts.asked[1]).toMatchObject({ kind: 'finishSignIn', flow: 'sealed', answer: { code: 'c', state: 's' }, peer: { userAgent: 'test' } });
    expect([came.headers['set-cookie']].flat()).toEqual([expect.stringMatching(/^seg_sign_in=; .*; Secure$/), expect.stringMatching(/^seg_refresh=segr_fake; .*SameSite=Strict; Secure$/)]);
  });

  test('says on the page that the accounts are away for a moment', async () => {
    await open({ ask: () => Promise.reject(new OperationalError('unavailable', 'a disk is full', { retryable: true })) });
    expect((await call('GET', '/api/v1/auth/oidc/callback?code=c&state=s')).headers.location).toBe('/?sign-in=engine_away');
  });

  test('knows nothing of it where it has none', async () => {
    await open({ ask: () => Promise.reject(new OperationalError('sign_in_off', 'nobody signs in with another issuer here')) });
    const replies = await Promise.all([call('GET', START), call('GET', '/api/v1/auth/oidc/callback')]);
    expect(replies.map(({ status, body }) => [status, body.code])).toEqual([[404, 'sign_in_off'], [404, 'sign_in_off']]);
  });
});
