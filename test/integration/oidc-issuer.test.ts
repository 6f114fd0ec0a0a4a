import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { createHmac } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OidcIssuer } from '../../src/actors/accounts/oidc-issuer.ts';
import type { Principal } from '../../src/model/access.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { AccountsWorld, held, refusal, ROOT, START_MS } from '../support/accounts-world.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** Tokens of an issuer of the test's own, over HTTP on this machine. */

interface Key {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  jwk: JWK;
}

let server: Server;
let issuer: string;
let keys: Key[];
let published: JWK[];
const asked: string[] = [];
/** In the place of the configuration's members. */
let configuration: object = {};
let isDown = false;
/** Answers for the keys in their place. */
let keysAnswer: ((response: ServerResponse) => void) | null = null;

async function newKey(kid: string, alg: string): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

beforeAll(async () => {
  keys = [await newKey('rsa', 'RS256'), await newKey('ec', 'ES256'), await newKey('ed', 'EdDSA')];
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (isDown) return void response.writeHead(503).end();
    if (request.url === '/realm/.well-known/openid-configuration') return void response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys`, ...configuration }));
    if (request.url === '/realm/keys' && keysAnswer !== null) return keysAnswer(response);
    if (request.url === '/realm/keys') return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: published }));
    response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realm`;
});

beforeEach(() => {
  published = keys.map(({ jwk }) => jwk);
  asked.length = 0;
  configuration = {};
  isDown = false;
  keysAnswer = null;
});

afterAll(() => void server.close());

async function world(options: { rolesClaim?: string } = {}): Promise<AccountsWorld> {
  const time = new VirtualTime(START_MS);
  const foreign = new OidcIssuer({ issuer, audience: 'seg', rolesClaim: options.rolesClaim ?? 'roles', regionsClaim: 'regions' }, { clock: time, log: nullLog });
  return AccountsWorld.start({ passwordLogIn: 'none', registration: false }, { time, foreign });
}

const NOW_S = START_MS / 1_000;

function token(claims: object = {}, { key = keys[0], head = {} }: { key?: Key; head?: object } = {}): Promise<string> {
  return new SignJWT({ iss: issuer, aud: 'seg', sub: 'ada', iat: NOW_S, exp: NOW_S + 300, name: 'Ada', email: 'ada@example.org', email_verified: true, ...claims }).setProtectedHeader({ alg: key.alg, kid: key.kid, ...head }).sign(key.privateKey);
}

async function principal(accounts: AccountsWorld, given: string): Promise<Principal> {
  const found = await accounts.actor.tokenCheck.authenticate(given);
  if ('code' in found) throw new Error(found.code);
  return found;
}

describe('tokens of another issuer', () => {
  it('make an account when somebody first comes, as a consumer without meters', async () => {
    const accounts = await world();
    for (const key of keys) expect(await principal(accounts, await token({}, { key }))).toMatchObject({ kind: 'user', name: 'ada@example.org', role: 'consumer', sessionId: null });
    const { data } = await accounts.actor.ask({ kind: 'users', query: { role: null, emailPrefix: null, meterId: null, limit: 10, cursor: null } });
    expect(data.map(({ external }) => external?.subject)).toEqual(['ada']);
    await accounts.actor.ask({ kind: 'changeUser', id: data[0].id, version: null, change: { meters: held('m-1') }, by: ROOT });
    expect([...(await principal(accounts, await token())).meters.keys()]).toEqual(['m-1']);
    // Found once, and kept.
    expect(asked).toEqual(['/realm/.well-known/openid-configuration', '/realm/keys']);
  });

  it('say what role and regions somebody has, and nobody here says otherwise', async () => {
    const accounts = await world({ rolesClaim: 'realm_access.roles' });
    const of = async (roles: unknown, regions: unknown, iat = NOW_S) => {
      const { role, regions: found } = await principal(accounts, await token({ realm_access: { roles }, regions, iat, jti: Math.random() }));
      return [role, found === 'all' ? 'all' : [...found]];
    };
    expect(await of(['operator', 'offline_access'], ['north', 'no region'])).toEqual(['operator', ['north']]);
    const { data } = await accounts.actor.ask({ kind: 'users', query: { role: 'operator', emailPrefix: null, meterId: null, limit: 10, cursor: null } });
    expect(await refusal(accounts.actor.ask({ kind: 'changeUser', id: data[0].id, version: null, change: { role: 'admin' }, by: ROOT }))).toBe('external_user');
    expect(await of(['admin'], undefined)).toEqual(['admin', 'all']);
    expect(await of([], ['north'])).toEqual(['consumer', []]);
    expect(await of('operator consumer', 'north,south')).toEqual(['operator', ['north', 'south']]);
    expect(await of('operator', 'all')).toEqual(['operator', 'all']);
    expect(await of(undefined, 'all')).toEqual(['consumer', []]);
    expect(await of({ admin: true }, 7)).toEqual(['consumer', []]);
  });

  it('that are older than the newest do not bring rights back', async () => {
    const accounts = await world();
    const old = await token({ roles: ['admin'], iat: NOW_S - 60 });
    expect((await principal(accounts, await token())).role).toBe('consumer');
    expect((await principal(accounts, old)).role).toBe('consumer');
  });

  it('name somebody by an address only where the issuer has looked at it', async () => {
    const accounts = await world();
    const found = await principal(accounts, await token({ sub: 'eve', name: 'admin@localhost', email: 'admin@localhost', email_verified: false }));
    expect(found.name).toBe('eve');
  });

  it('count no longer than their account', async () => {
    const accounts = await world();
    const given = await token();
    const { id } = await principal(accounts, given);
    await accounts.actor.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: true }, by: ROOT });
    expect([await accounts.whose(given), await accounts.whose(await token({ jti: 'another' }))]).toEqual(['revoked_token', 'revoked_token']);
    await accounts.actor.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: false }, by: ROOT });
    expect(await accounts.whose(given)).toBe(id);
    accounts.time.advance(330_000);
    expect(await accounts.whose(given)).toBe('expired_token');
  });

  it('never become an account that logs in here, whatever address they name', async () => {
    const time = new VirtualTime(START_MS);
    const foreign = new OidcIssuer({ issuer, audience: 'seg', rolesClaim: 'roles', regionsClaim: 'regions' }, { clock: time, log: nullLog });
    const accounts = await AccountsWorld.start({}, { time, foreign });
    const ada = await accounts.addUser('ada@example.org', { role: 'admin', regions: 'all' });
    const found = await principal(accounts, await token());
    expect([found.id === ada.id, found.role]).toEqual([false, 'consumer']);
    const { accessToken } = await accounts.logIn('ada@example.org');
    expect(await accounts.whose(accessToken)).toBe(ada.id);
  });

  it.each<[string, () => Promise<string>]>([
    ['of another issuer', () => token({ iss: 'http://127.0.0.1:1/realm' })],
    ['for another program', () => token({ aud: 'other' })],
    ['for nobody', () => token({ aud: undefined })],
    ['without a subject', () => token({ sub: undefined })],
    ['with an empty subject', () => token({ sub: '' })],
    ['with a subject of several lines', () => token({ sub: 'ada\nroot' })],
    ['with a subject that turns around', () => token({ sub: '\u202eada' })],
    ['with a huge subject', () => token({ sub: 'x'.repeat(300) })],
    ['without an end', () => token({ exp: undefined })],
    ['that are not good yet', () => token({ nbf: NOW_S + 120 })],
    ['signed with a key that it has not', async () => token({}, { key: await newKey('rsa', 'RS256') })],
    ['whose key is not known', () => token({}, { head: { kid: 'unknown' } })],
    ['that say that they are not signed', async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await token()).split('.')[1]}.AA`],
    [
      'signed with the public key as a secret',
      async () => {
        const text = `${Buffer.from('{"alg":"HS256","kid":"rsa"}').toString('base64url')}.${(await token()).split('.')[1]}`;
        return `${text}.${createHmac('sha256', JSON.stringify(keys[0].jwk)).update(text).digest('base64url')}`;
      },
    ],
    ['that bring their key along', async () => {
      const own = await newKey('rsa', 'RS256');
      return token({}, { key: own, head: { jwk: own.jwk, x5c: ['MIIB'] } });
    }],
    ['that say where their key is', async () => token({}, { key: await newKey('own', 'RS256'), head: { jku: `${issuer}/other-keys`, x5u: `${issuer}/certificate` } })],
    ['whose key is a path', () => token({}, { head: { kid: '../../../../dev/null' } })],
    ['that are cut off', async () => (await token()).slice(0, -4)],
  ])('count for nobody: %s', async (_what, make) => {
    expect(await (await world()).whose(await make())).toBe('invalid_token');
  });

  it('that ended are said to have', async () => {
    expect(await (await world()).whose(await token({ exp: NOW_S - 31 }))).toBe('expired_token');
    expect(await (await world()).whose(await token({ exp: NOW_S - 29 }))).toMatch(/^usr_/);
  });

  it('are refused while the issuer is away, which is asked no more often than every half minute', async () => {
    const accounts = await world();
    isDown = true;
    const given = await token();
    for (let i = 0; i < 5; i++) expect(await accounts.whose(given)).toBe('invalid_token');
    expect(asked).toHaveLength(1);
    isDown = false;
    accounts.time.advance(30_000);
    expect(await accounts.whose(given)).toMatch(/^usr_/);
  });

  it.each([
    ['says that it is another', { issuer: 'https://elsewhere.example' }],
    ['names no keys', { jwks_uri: undefined }],
    ['names keys that are no address', { jwks_uri: 7 }],
    ['is endless', { padding: 'x'.repeat(300 * 1024) }],
  ])('are refused where the configuration %s', async (_what, members) => {
    configuration = members;
    expect(await (await world()).whose(await token())).toBe('invalid_token');
  });

  it('have nobody asked but the issuer, for its configuration and its keys', async () => {
    const accounts = await world();
    for (const head of [{ jku: `${issuer}/other-keys` }, { x5u: `${issuer}/certificate` }, { jwk: keys[0].jwk }]) expect(await accounts.whose(await token({}, { head }))).toMatch(/^usr_/);
    expect(new Set(asked)).toEqual(new Set(['/realm/.well-known/openid-configuration', '/realm/keys']));
  });

  it.each([301, 302, 303, 307, 308])('are refused where the keys are said to be elsewhere (%i), and nobody looks there', async (status) => {
    keysAnswer = (response) => void response.writeHead(status, { location: `${issuer}/inside` }).end();
    expect(await (await world()).whose(await token())).toBe('invalid_token');
    expect(asked).not.toContain('/realm/inside');
  });

  it('are refused where the keys have no end, and no more of them is read than keys may have', async () => {
    let sent = 0;
    keysAnswer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        if (response.destroyed || sent > 200 * 1024 * 1024) return void response.end();
        sent += 64 * 1024;
        if (response.write('x'.repeat(64 * 1024))) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    };
    expect(await (await world()).whose(await token())).toBe('invalid_token');
    expect(sent).toBeLessThan(20 * 1024 * 1024);
  });

  it('name people in one line, or not at all', async () => {
    const accounts = await world();
    const named = async (claims: object): Promise<string> => {
      const id = await accounts.whose(await token(claims));
      return (await accounts.actor.ask({ kind: 'user', id }))!.name;
    };
    expect(await named({ sub: 's1', name: 'Ada\r\nBcc: eve@evil.invalid', preferred_username: 'ada' })).toBe('ada');
    expect(await named({ sub: 's2', name: '\u001b]0;x\u0007', preferred_username: 'a\0' })).toBe('s2');
    expect(await named({ sub: 's3', name: '"><img src=x onerror=alert(1)>' })).toBe('"><img src=x onerror=alert(1)>');
  });
});
