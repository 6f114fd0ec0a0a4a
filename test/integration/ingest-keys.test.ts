import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceScope } from '../../src/actors/accounts/protocol.ts';
import { sha256 } from '../../src/actors/accounts/secrets.ts';
import { DeviceKeyTable } from '../../src/actors/ingest/device-key-table.ts';
import type { IngestPort, IngestRefusal } from '../../src/actors/ingest/protocol.ts';
import type { ReadingScope } from '../../src/actors/ingest/reading-scope.ts';
import { INGEST_LIMITS_DEFAULT, startIngestServer, type IngestServer } from '../../src/http/ingest-server.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { RawConnection } from '../fixtures/ingest/raw-http.ts';
import { meters } from '../support/accounts-world.ts';

/** Device keys at a real ingest server; what lies behind it notes what it is given. */

const KEY = `segk_${'k'.repeat(43)}`;
const OTHER = `segk_${'o'.repeat(43)}`;

class FakePort implements IngestPort {
  readonly scopes: (ReadingScope | null | undefined)[] = [];
  unread: IngestRefusal | null = null;

  refuseUnread(): IngestRefusal | null {
    return this.unread;
  }

  ingest(...[, , done, , scope]: Parameters<IngestPort['ingest']>): void {
    this.scopes.push(scope);
    done({ accepted: 1, duplicates: 0, rejected: 0, errors: [] });
  }
}

const servers: IngestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close(0);
});

async function start({ withKeys = true } = {}) {
  const port = new FakePort();
  const uses: string[] = [];
  const keys = new DeviceKeyTable({ clock: systemClock, onUse: (id) => uses.push(id) });
  const server = await startIngestServer(
    { host: '127.0.0.1', port: 0, exclusivePort: true, limits: INGEST_LIMITS_DEFAULT, requestIdPrefix: 'test' },
    { ingest: port, clock: systemClock, timers: systemTimers, keys: withKeys ? keys : null, onFault: (error) => expect.fail(String(error)) },
  );
  servers.push(server);
  const post = async (authorization: string | null, { body = '{}', ...further }: { body?: string | Uint8Array } & Record<string, unknown> = {}) => {
    const headers = { 'content-type': 'application/json', ...(authorization === null ? {} : { authorization }), ...further };
    const response = await fetch(`http://127.0.0.1:${server.port}/ingest`, { method: 'POST', body, headers } as RequestInit);
    const text = await response.text();
    const document = JSON.parse(text) as { code?: string; detail?: string };
    return { status: response.status, code: document.code, text, challenge: response.headers.get('www-authenticate'), retryAfter: response.headers.get('retry-after') };
  };
  const know = (key: string, scope: DeviceScope = 'all', expiresAt: number | null = null) => keys.learn({ whole: null, changes: [{ rows: [{ hash: sha256(key), id: `id of ${key.slice(0, 6)}`, scope, expiresAt }], removed: [] }] });
  const revoke = (key: string) => keys.learn({ whole: null, changes: [{ rows: [], removed: [sha256(key)] }] });
  return { server, port, keys, post, know, revoke, uses };
}

const head = (length: number, key: string) => `POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\nAuthorization: Bearer ${key}\r\n\r\n`;

describe('an ingest port with accounts', () => {
  it('is shut until it knows the keys, and says when to come again', async () => {
    const { port, keys, post } = await start();
    expect(await post(`Bearer ${KEY}`)).toMatchObject({ status: 503, code: 'unavailable', retryAfter: '1', challenge: null });
    expect(await post(null)).toMatchObject({ status: 401 });
    keys.learn({ whole: [], changes: [] });
    expect(await post(`Bearer ${KEY}`)).toMatchObject({ status: 401 });
    expect(port.scopes).toEqual([]);
  });

  it('takes a key that there is, and hands on what it may send', async () => {
    const { port, keys, post, know, uses } = await start();
    keys.learn({ whole: [], changes: [] });
    know(KEY);
    know(OTHER, { meters: meters('m-1') });
    for (const authorization of [`Bearer ${KEY}`, `bearer   ${KEY} `, `Bearer ${OTHER}`]) expect(await post(authorization)).toMatchObject({ status: 202 });
    expect(port.scopes).toEqual([null, null, expect.objectContaining({ message: expect.stringContaining('meter') })]);
    expect(uses).toEqual(['id of segk_k', 'id of segk_o']);
  });

  it.each([
    ['nothing', null, 'device_key_missing', 'Bearer realm="seg ingest"'],
    ['another scheme', `Basic ${KEY}`, 'device_key_missing', 'Bearer realm="seg ingest"'],
    ['no token', 'Bearer ', 'device_key_missing', 'Bearer realm="seg ingest"'],
    ['two tokens', `Bearer ${KEY} ${KEY}`, 'device_key_missing', 'Bearer realm="seg ingest"'],
    ["a person's access token", 'Bearer eyJhbGciOiJFZERTQSJ9.e30.c2ln', 'not_a_device_key', 'Bearer realm="seg ingest", error="invalid_token"'],
    ['a key that is none', `Bearer ${OTHER}`, 'unknown_device_key', 'Bearer realm="seg ingest", error="invalid_token"'],
    ['a key and more', `Bearer ${KEY}x`, 'unknown_device_key', 'Bearer realm="seg ingest", error="invalid_token"'],
  ])('refuses %s with 401, and repeats nothing of it', async (_what, authorization, code, challenge) => {
    const { port, keys, post, know } = await start();
    keys.learn({ whole: [], changes: [] });
    know(KEY);
    const answer = await post(authorization);
    expect(answer).toMatchObject({ status: 401, code, challenge });
    for (const secret of [KEY, OTHER, 'eyJ']) expect(answer.text).not.toContain(secret);
    expect(port.scopes).toEqual([]);
  });

  it('refuses a key whose time is over', async () => {
    const { keys, post, know } = await start();
    keys.learn({ whole: [], changes: [] });
    know(KEY, 'all', systemClock.now() - 1);
    expect(await post(`Bearer ${KEY}`)).toMatchObject({ status: 401, code: 'expired_device_key' });
  });

  it('says no before a body comes, before it says what is wrong with the rest, or how it fares', async () => {
    const { server, port, keys, post } = await start();
    keys.learn({ whole: [], changes: [] });
    port.unread = { status: 429, code: 'overloaded', message: 'no', retryAfterSeconds: 1 };
    expect(await post(null, { 'content-type': 'text/plain' })).toMatchObject({ status: 401 });
    const connection = await RawConnection.open(server.port);
    connection.write(head(1_000_000, KEY));
    expect((await connection.answer()).status).toBe(401);
    connection.destroy();
  });

  it('asks again when the body is there: a key that was revoked on the way sends nothing', async () => {
    const { server, port, keys, know, revoke } = await start();
    keys.learn({ whole: [], changes: [] });
    know(KEY);
    const connection = await RawConnection.open(server.port);
    connection.write(`${head(10, KEY)}12345`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    revoke(KEY);
    connection.write('67890');
    expect((await connection.answer()).status).toBe(401);
    connection.write(`${head(2, KEY)}{}`);
    expect((await connection.answer()).status).toBe(401);
    know(KEY);
    connection.write(`${head(2, KEY)}{}`);
    expect((await connection.answer()).status).toBe(202);
    expect(port.scopes).toHaveLength(1);
    connection.destroy();
  });

  it('hands the scope on with a body that is inflated, too', async () => {
    const { port, keys, post, know } = await start();
    keys.learn({ whole: [], changes: [] });
    know(KEY, { meters: meters('m-1') });
    expect(await post(`Bearer ${KEY}`, { body: gzipSync('{}'), 'content-encoding': 'gzip' })).toMatchObject({ status: 202 });
    expect(port.scopes).toEqual([expect.objectContaining({ message: expect.stringContaining('meter') })]);
  });
});

describe('an ingest port without accounts', () => {
  it('takes readings of whoever reaches it, whatever they present', async () => {
    const { port, post } = await start({ withKeys: false });
    for (const authorization of [null, `Bearer ${KEY}`, 'Basic x']) expect(await post(authorization)).toMatchObject({ status: 202 });
    expect(port.scopes).toEqual([null, null, null]);
  });
});
