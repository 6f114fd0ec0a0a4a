import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logIn as logInByCommand, logOut as logOutByCommand } from '../../src/cli/log-in-command.ts';
import { keptPath } from '../../src/cli/credentials.ts';
import { openAccountStore } from '../../src/engine/open-account-store.ts';
import { AUDIT_TABLE } from '../../src/actors/accounts/audit-log.ts';
import type { AuditRecord } from '../../src/actors/accounts/protocol.ts';
import { RecordTable, sortableNumber } from '../../src/runtime/record-table.ts';
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { EngineProcess, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';
import { openClient } from '../support/live-clients.ts';

/** A real engine that people log in to, over HTTP alone. */

interface Reply {
  status: number;
  headers: Headers;
  body: Record<string, any>;
}

const PASSWORD = 'three green kettles';
/** A dozen commands, each a process of its own. */
const COMMANDS_TIMEOUT_MS = 120_000;
const SETTINGS = { AUTH: 'on', SHARDS: '1' };

let engine: EngineProcess;
let dataDir: string;
let admin: string;

async function call(method: string, path: string, { token, body, headers = {} }: { token?: string; body?: object; headers?: Record<string, string> } = {}): Promise<Reply> {
  const answer = await fetch(engine.apiUrl(path), {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? {} : (JSON.parse(text) as Record<string, any>) };
}

const logIn = async (email: string, password = PASSWORD) => (await call('POST', '/api/v1/auth/login', { body: { email, password } })).body;

async function addUser(email: string, given: object): Promise<{ id: string; accessToken: string; refreshToken: string }> {
  const made = await call('POST', '/api/v1/users', { token: admin, body: { email, name: email, ...given } });
  expect(made.status).toBe(201);
  const { body } = await call('POST', '/api/v1/auth/password', { body: { email, password: made.body.oneTimePassword, newPassword: PASSWORD } });
  return { id: made.body.user.id, accessToken: body.accessToken, refreshToken: body.refreshToken };
}

/** A meter in the north and one in the south; gives the answer's status. */
async function sendReadings(key: string | null): Promise<number> {
  const readings = ['north', 'south'].map((region, at) => ({ meterId: `m-${at}`, region, timestamp: Date.now() - 1_000, powerKw: 1 }));
  const headers = { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  return (await fetch(`${engine.ingestUrl()}/ingest`, { method: 'POST', headers, body: JSON.stringify(readings) })).status;
}

const firstPassword = (): string => /password {2}(\S+)/.exec(engine.stderr)![1];

beforeAll(async () => {
  dataDir = temporaryDirectory();
  engine = await EngineProcess.start({ dataDir, settings: SETTINGS });
});

afterAll(async () => {
  await engine.kill9();
  removeDirectory(dataDir);
});

describe('an engine with accounts', () => {
  it('shows the first admin\'s password past its log, and opens nothing before it was replaced', async () => {
    expect((await call('GET', '/api/v1/auth/settings')).body).toEqual({ accounts: 'on', registration: false, mail: false, passwords: true, oidc: null });
    expect((await call('GET', '/api/v1/meters')).status).toBe(401);
    const password = firstPassword();
    expect(JSON.stringify(engine.lines)).not.toContain(password);
    const refused = await call('POST', '/api/v1/auth/login', { body: { email: 'admin@localhost', password } });
    expect([refused.status, refused.body.code]).toEqual([403, 'password_change_required']);
    const changed = await call('POST', '/api/v1/auth/password', { body: { email: 'admin@localhost', password, newPassword: PASSWORD } });
    expect(changed.status).toBe(200);
    admin = changed.body.accessToken;
    expect((await call('GET', '/api/v1/me', { token: admin })).body).toMatchObject({ email: 'admin@localhost', role: 'admin', regions: 'all' });
    const { key } = (await call('POST', '/api/v1/device-keys', { token: admin, body: { name: 'everything', scope: 'all' } })).body;
    expect([await sendReadings(null), await sendReadings(admin), await sendReadings(key)]).toEqual([401, 401, 202]);
    expect((await call('GET', '/api/v1/meters', { token: admin })).body.data).toHaveLength(2);
  });

  it('shows consumers their meters and operators their regions, at once as an admin says', async () => {
    const ada = await addUser('ada@example.org', { role: 'consumer', meters: ['m-0'] });
    const bob = await addUser('bob@example.org', { role: 'operator', regions: ['south'] });
    const seen = async (token: string) => Promise.all(['m-0', 'm-1'].map(async (id) => (await call('GET', `/api/v1/meters/${id}`, { token })).status));
    expect([await seen(ada.accessToken), await seen(bob.accessToken)]).toEqual([[200, 404], [404, 200]]);
    expect((await call('POST', '/api/v1/meter-assignments', { token: admin, body: { assignments: [{ user: 'ada@example.org', meters: ['m-1'] }, { user: bob.id, meters: ['m-1'] }] } })).body.data.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['assigned', 'not_a_consumer']);
    expect(await seen(ada.accessToken)).toEqual([200, 200]);
    expect((await call('PUT', `/api/v1/users/${ada.id}/meters`, { token: admin, body: { meters: ['m-1'] } })).body.meters).toEqual(['m-1']);
    expect(await seen(ada.accessToken)).toEqual([404, 200]);
    for (const [method, path] of [['GET', '/api/v1/users'], ['GET', '/api/v1/audit-log'], ['GET', '/api/v1/device-keys'], ['POST', '/api/v1/users']] as const) {
      expect((await call(method, path, { token: ada.accessToken, ...(method === 'POST' ? { body: { email: 'eve@example.org', name: 'Eve', role: 'admin' } } : {}) })).status).toBe(403);
    }
    await call('PATCH', `/api/v1/users/${bob.id}`, { token: admin, body: { disabled: true } });
    expect((await call('GET', '/api/v1/me', { token: bob.accessToken })).body.code).toBe('revoked_token');
  });

  it('tells the open stream of a consumer that they were given a meter, and that it was taken', async () => {
    const { accessToken } = await addUser('finn@example.org', { role: 'consumer', meters: [] });
    const client = await openClient(Number(new URL(engine.apiUrl('/')).port), { headers: { authorization: `Bearer ${accessToken}` } });
    const assign = async (assigned: boolean) => (await call('POST', '/api/v1/meter-assignments', { token: admin, body: { assignments: [{ user: 'finn@example.org', meters: ['m-0'], assigned }] } })).body.data[0].outcome;
    const mine = async () => (await call('GET', '/api/v1/me', { token: accessToken })).body.meters;
    expect(await assign(true)).toBe('assigned');
    await client.next('access');
    expect(await mine()).toEqual(['m-0']);
    client.subscribe('meter:m-0');
    await client.next('snapshot', 'meter:m-0');
    expect(await assign(false)).toBe('removed');
    expect((await client.next('error', 'meter:m-0')).code).toBe('forbidden');
    await client.next('access');
    expect(await mine()).toEqual([]);
    client.socket.close();
  });

  it('gives pages the refresh token in a cookie that no script sees, and programs in the answer', async () => {
    await addUser('cy@example.org', { role: 'consumer' });
    const origin = { origin: engine.apiUrl() };
    const page = await call('POST', '/api/v1/auth/login', { body: { email: 'cy@example.org', password: PASSWORD, cookie: true }, headers: origin });
    expect(page.body.refreshToken).toBeNull();
    const cookie = page.headers.get('set-cookie')!;
    expect(cookie).toMatch(/^seg_refresh=segr_[\w-]{86}; Path=\/api\/v1\/auth; Max-Age=\d+; HttpOnly; SameSite=Strict$/);
    const refreshed = await call('POST', '/api/v1/auth/refresh', { body: {}, headers: { ...origin, cookie: cookie.split(';')[0] } });
    expect([refreshed.status, refreshed.body.refreshToken]).toEqual([200, null]);
    expect((await call('POST', '/api/v1/auth/refresh', { body: {}, headers: { origin: 'https://evil.example', cookie: cookie.split(';')[0] } })).status).toBe(403);
    const program = await logIn('cy@example.org');
    expect(program.refreshToken).toMatch(/^segr_/);
    const next = await call('POST', '/api/v1/auth/refresh', { body: { refreshToken: program.refreshToken } });
    expect([next.status, next.headers.get('set-cookie')]).toEqual([200, null]);
    const sessions = await call('GET', '/api/v1/auth/sessions', { token: program.accessToken });
    expect(sessions.body.data.map(({ current }: { current: boolean }) => current).sort()).toEqual([false, false, true]);
    await call('POST', '/api/v1/auth/logout-everywhere', { token: program.accessToken, body: {} });
    expect((await call('POST', '/api/v1/auth/refresh', { body: { refreshToken: next.body.refreshToken } })).body.code).toBe('invalid_refresh_token');
  });

  it('keeps no answers to strangers for who sends the same key again', async () => {
    const headers = { 'idempotency-key': 'one-and-the-same' };
    const body = { email: 'cy@example.org', password: PASSWORD };
    const first = await call('POST', '/api/v1/auth/login', { body, headers });
    const second = await call('POST', '/api/v1/auth/login', { body, headers });
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body.refreshToken).not.toBe(first.body.refreshToken);
    const cookie = `seg_refresh=${first.body.refreshToken}`;
    expect((await call('POST', '/api/v1/auth/refresh', { body: {}, headers: { ...headers, cookie } })).status).toBe(200);
    expect((await call('POST', '/api/v1/auth/refresh', { body: {}, headers })).status).toBe(401);
  });

  it('takes commands of who logged in with seg login, and renews their token', async () => {
    const config = temporaryDirectory();
    const path = keptPath({ XDG_CONFIG_HOME: config });
    const env = { XDG_CONFIG_HOME: config };
    const said: string[] = [];
    const run = (...args: string[]) => seg([...args, '--url', engine.apiUrl()], { env });
    try {
      const nobody = await run('user', 'list');
      expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining('use seg login, --token or SEG_TOKEN')]);
      const { body } = await call('POST', '/api/v1/users', { token: admin, body: { email: 'root@example.org', name: 'Root', role: 'admin' } });
      const answers = [body.oneTimePassword as string, PASSWORD, PASSWORD];
      await logInByCommand({ url: engine.apiUrl(), email: 'root@example.org' }, { ask: async () => answers.shift()! }, undefined, (text) => said.push(text), path);
      expect(said).toEqual([`Logged in to ${engine.apiUrl()} as root@example.org.\n`]);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const added = await run('user', 'add', 'eve@example.org', '--role', 'operator', '--regions', 'north');
      expect(added.stdout).toMatch(/^eve@example\.org logs in with \S+ within a week/);
      expect((await run('user', 'disable', 'eve@example.org')).stdout).toBe('eve@example.org is disabled; log-ins have ended.\n');
      expect((await run('user', 'list', '--role', 'operator')).stdout).toMatch(/eve@example\.org +operator +north +disabled +usr_/);
      const key = await run('key', 'create', 'collector', '--meters', 'm-0,m-1');
      expect(key.stdout).toMatch(/^segk_[\w-]{43}\n$/);
      const [, id] = /(key_\S+) +collector +meters m-0, m-1 +never used/.exec((await run('key', 'list')).stdout)!;
      expect((await run('key', 'revoke', id)).stdout).toBe(`${id} counts no more.\n`);
      expect((await run('export', '--meter', 'm-0', '--format', 'ndjson')).code).toBe(0);
      const token = await seg(['user', 'list', '--url', engine.apiUrl()], { env: { SEG_TOKEN: admin } });
      expect(token.code).toBe(0);
      await logOutByCommand(undefined, (text) => said.push(text), path);
      expect((await run('user', 'list')).code).toBe(1);
    } finally {
      removeDirectory(config);
    }
  }, COMMANDS_TIMEOUT_MS);

  it('has keys for who verifies its tokens, and tickets for its stream', async () => {
    const { body } = await call('GET', '/.well-known/jwks.json');
    expect(body.keys).toMatchObject([{ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA' }]);
    expect(body.keys[0].d).toBeUndefined();
    const { ticket } = (await call('POST', '/api/v1/auth/stream-tickets', { token: admin, body: {} })).body;
    const opened = (address: string) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(address);
        socket.onopen = () => (socket.close(), resolve('open'));
        socket.onerror = () => resolve('refused');
      });
    const live = `${engine.apiUrl('/live').replace('http', 'ws')}?ticket=${ticket}`;
    expect([await opened(live), await opened(live)]).toEqual(['open', 'refused']);
  });

  it('remembers everything after a kill, has it in backups, and finds what was changed in the audit log', async () => {
    const { id } = await addUser('di@example.org', { role: 'consumer', meters: ['m-0'] });
    const key = await call('POST', '/api/v1/device-keys', { token: admin, body: { name: 'of the north', scope: { regions: ['north'] } } });
    expect(key.body.key).toMatch(/^segk_/);
    await engine.kill9();
    engine = await EngineProcess.start({ dataDir, settings: SETTINGS });
    expect(engine.stderr).not.toContain('password');
    admin = (await logIn('admin@localhost')).accessToken;
    expect((await call('GET', `/api/v1/users/${id}`, { token: admin })).body).toMatchObject({ email: 'di@example.org', meters: ['m-0'] });
    expect((await call('GET', '/api/v1/device-keys', { token: admin })).body.data).toContainEqual(expect.objectContaining({ name: 'of the north', scope: { regions: ['north'] }, revokedAt: null }));
    const { data } = (await call('GET', '/api/v1/audit-log?limit=1000', { token: admin })).body;
    const actions = data.map(({ action }: { action: string }) => action);
    expect(actions).toEqual(expect.arrayContaining(['first_admin_made', 'password_changed', 'user_made', 'meter_assigned', 'user_changed', 'logged_in', 'device_key_made', 'createUser', 'createDeviceKey']));
    expect(JSON.stringify(data)).not.toMatch(/segk_|segr_|three green/);
    expect((await seg(['recover-admin', '--data-dir', dataDir])).stderr).toMatch(/in use|runs on/);
    await engine.stop();
    const [, recovered] = /logs in with (\S+), /.exec((await seg(['recover-admin', '--data-dir', dataDir])).stdout)!;
    expect(recovered).toMatch(/^\w{5}-/);
    expect(statSync(join(dataDir, 'accounts')).mode & 0o777).toBe(0o700);
    const backup = `${dataDir}-backup`;
    const restored = `${dataDir}-restored`;
    try {
      expect((await seg(['backup', '--data-dir', dataDir, '--to', backup])).code).toBe(0);
      expect((await seg(['restore', '--from', backup, '--data-dir', restored])).code).toBe(0);
      const sound = await seg(['verify', '--data-dir', restored]);
      expect(sound.stdout).toMatch(/records? of accounts, an audit log up to entry \d+ \([0-9a-f]{64}\): sound\n$/);
      const { store } = await openAccountStore(join(restored, 'accounts'));
      const entries = new RecordTable<AuditRecord>(store, AUDIT_TABLE);
      entries.put(sortableNumber(2), { ...entries.get(sortableNumber(2))!, byName: 'somebody else' });
      await store.commit();
      await store.close();
      const changed = await seg(['verify', '--data-dir', restored]);
      expect([changed.code, changed.stdout]).toEqual([1, expect.stringContaining('accounts: audit entry 2 is not what was written')]);
    } finally {
      removeDirectory(backup);
      removeDirectory(restored);
    }
  }, COMMANDS_TIMEOUT_MS);
});
