import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../fixtures/ingest/raw-http.ts';
import { EngineProcess, freePort, seg } from '../support/engine-process.ts';

/** A real engine with accounts and two ingest threads, to which readings are sent with device keys. */

const PASSWORD = 'three green kettles';
/** The kernel deals connections out to the threads by chance: that one of two gets none of so many happens once in ten million runs. */
const CONNECTIONS = 24;

interface Key {
  id: string;
  key: string;
}

let engine: EngineProcess;
let admin: string;
/** Threads that have refused somebody. */
const refusers = new Set<string>();
const everyKey: string[] = [];

async function call(method: string, path: string, body?: object): Promise<Record<string, any>> {
  const headers = { 'content-type': 'application/json', ...(admin === undefined ? {} : { authorization: `Bearer ${admin}` }) };
  const answer = await fetch(engine.apiUrl(path), { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return (await answer.json()) as Record<string, any>;
}

async function makeKey(scope: object | 'all'): Promise<Key> {
  const { key, deviceKey } = await call('POST', '/api/v1/device-keys', { name: 'collector', scope });
  everyKey.push(key);
  return { key, id: deviceKey.id };
}

const reading = (meterId: string, region = 'north') => ({ meterId, region, timestamp: Date.now() - 1_000, powerKw: 1 });

async function send(key: string | null, readings: object[]): Promise<{ status: number; body: Record<string, any> }> {
  const headers = { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  const answer = await fetch(`${engine.ingestUrl()}/ingest`, { method: 'POST', headers, body: JSON.stringify(readings) });
  return { status: answer.status, body: (await answer.json()) as Record<string, any> };
}

/** Statuses over connections of their own, which lie on all threads. */
async function overAll(connections: readonly RawConnection[], key: string): Promise<Set<number>> {
  const body = JSON.stringify([reading('m-1')]);
  const statuses = connections.map(async (connection) => {
    connection.write(`POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const { status, headers } = await connection.answer();
    // An answer that refuses has an id that begins with the name of its thread.
    if (status === 401) refusers.add(/^ingest-\d+/.exec(headers['x-request-id'])![0]);
    return status;
  });
  return new Set(await Promise.all(statuses));
}

beforeAll(async () => {
  engine = await EngineProcess.start({ settings: { AUTH: 'on', SHARDS: '1', INGEST_THREADS: '2', INGEST_PORT: `${await freePort()}`, FAULT_INJECTION: 'on' }, quickPasswordHashes: true });
  const [, password] = /password {2}(\S+)/.exec(engine.stderr)!;
  admin = (await call('POST', '/api/v1/auth/password', { email: 'admin@localhost', password, newPassword: PASSWORD })).accessToken;
});

afterAll(() => engine.dispose());

describe('an engine with accounts', () => {
  it('takes readings of who has a device key, and of nobody else', async () => {
    const { key } = await makeKey('all');
    expect(await send(key, [reading('m-1'), reading('m-2', 'south')])).toMatchObject({ status: 202, body: { accepted: 2 } });
    expect(await send(null, [reading('m-1')])).toMatchObject({ status: 401, body: { code: 'device_key_missing' } });
    expect(await send(admin, [reading('m-1')])).toMatchObject({ status: 401, body: { code: 'not_a_device_key' } });
    expect(await send(`${key}x`, [reading('m-1')])).toMatchObject({ status: 401, body: { code: 'unknown_device_key' } });
  });

  it('rejects readings that a key may not send, by index, and keeps no dead letter of them', async () => {
    const ofMeter = await makeKey({ meters: ['m-1'] });
    const ofRegion = await makeKey({ regions: ['south'] });
    expect((await send(ofMeter.key, [reading('m-1'), reading('m-9')])).body).toMatchObject({ rejected: 1, errors: [{ index: 1, code: 'out_of_scope' }] });
    expect((await send(ofRegion.key, [reading('m-8'), reading('m-7', 'south')])).body).toMatchObject({ accepted: 1, errors: [{ index: 0, code: 'out_of_scope' }] });
    expect((await call('GET', '/api/v1/dead-letters')).data).toEqual([]);
    expect(((await call('GET', '/api/v1/meters')).data as { meterId: string }[]).map(({ meterId }) => meterId).sort()).toEqual(['m-1', 'm-2', 'm-7']);
  });

  it('goes by a revocation with the next request, on every thread', async () => {
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(engine.ports.ingest)));
    for (let round = 0; round < 10; round++) {
      const { key, id } = await makeKey('all');
      expect(await overAll(connections, key)).toEqual(new Set([202]));
      await call('DELETE', `/api/v1/device-keys/${id}`);
      expect(await overAll(connections, key)).toEqual(new Set([401]));
    }
    for (const connection of connections) connection.destroy();
    expect([...refusers].sort()).toEqual(['ingest-0', 'ingest-1']);
  });

  it('tells a thread that has crashed of the keys anew', async () => {
    const { key } = await makeKey('all');
    const gone = await makeKey('all');
    await call('DELETE', `/api/v1/device-keys/${gone.id}`);
    for (const thread of ['ingest-0', 'ingest-1']) {
      await fetch(engine.opsUrl('/fault'), { method: 'POST', body: JSON.stringify({ thread, fault: 'throw' }) });
    }
    const seen = { sound: new Set<number | string>(), gone: new Set<number | string>() };
    const attempt = (of: string) => send(of, [reading('m-1')]).then(({ status }) => status, () => 'away');
    for (let inARow = 0, deadline = Date.now() + 30_000; inARow < CONNECTIONS && Date.now() < deadline; ) {
      const [sound, revoked] = [await attempt(key), await attempt(gone.key)];
      seen.sound.add(sound);
      seen.gone.add(revoked);
      inARow = sound === 202 && revoked === 401 ? inARow + 1 : 0;
    }
    // Never open, and never shut for good: who has a key is told to come again.
    expect(seen.sound).toContain(202);
    expect(seen.sound).not.toContain(401);
    expect(seen.gone).not.toContain(202);
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(engine.ports.ingest)));
    expect(await overAll(connections, key)).toEqual(new Set([202]));
    expect(await overAll(connections, gone.key)).toEqual(new Set([401]));
    for (const connection of connections) connection.destroy();
  });

  it('is sent readings by the commands that have a key', async () => {
    const { key } = await makeKey({ regions: ['region-01'] });
    const simulate = (env: Record<string, string>, ...more: string[]) => seg(['simulate', '--url', engine.ingestUrl(), '--meters', '4', '--regions', '2', '--duration', '1m', '--speed', 'max', ...more], { env });
    const refused = await simulate({});
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('segk_')]);
    const sent = await simulate({ SEG_KEY: key });
    expect(sent.code).toBe(0);
    expect(sent.stderr).toMatch(/out_of_scope: \d+/);
    expect((await simulate({}, '--key', key)).code).toBe(0);
  });

  it('says when a key was last used, and shows no key in its log, its metrics or its lists', async () => {
    const list = await call('GET', '/api/v1/device-keys?limit=100');
    expect(everyKey.length).toBeGreaterThan(10);
    const texts = [JSON.stringify(engine.lines), engine.strayLines.join('\n'), engine.stderr, await (await fetch(engine.opsUrl('/metrics'))).text(), JSON.stringify(list), JSON.stringify(await call('GET', '/api/v1/audit-log?limit=1000'))];
    for (const text of texts) expect(text).not.toMatch(/segk_[\w-]{8}/);
  });
});
