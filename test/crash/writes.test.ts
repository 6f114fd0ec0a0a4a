import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineProcess, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';

/** Writes of the API when the engine is killed in the middle of them: whatever was changed has a trace of who did it, and a key that is sent again is answered as it was, or says that nobody knows. */

const PASSWORD = 'three green kettles';
const WRITES = 120;

let parent: string | null = null;
let engine: EngineProcess;
afterEach(async () => {
  await engine.kill9();
  if (parent !== null) removeDirectory(parent);
});

const start = (): Promise<EngineProcess> => EngineProcess.start({ dataDir: join(parent!, 'data'), settings: { AUTH: 'on', SHARDS: '1' } });

async function call(method: string, path: string, token: string | null, body?: object, headers: Record<string, string> = {}): Promise<{ status: number; headers: Headers; body: any }> {
  const answer = await fetch(engine.apiUrl(path), { method, headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers }, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? null : JSON.parse(text) };
}

async function all(path: string, token: string): Promise<any[]> {
  const rows: any[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=1000${cursor}`, token);
    rows.push(...body.data);
    if (body.nextCursor === null) return rows;
    cursor = `&cursor=${encodeURIComponent(body.nextCursor)}`;
  }
}

describe('a kill in the middle of writes', () => {
  it('leaves a trace of each that was done, and none that is done twice', { timeout: 120_000 }, async () => {
    parent = temporaryDirectory();
    engine = await start();
    const password = /password {2}(\S+)/.exec(engine.stderr)![1];
    const { accessToken: token } = (await call('POST', '/api/v1/auth/password', null, { email: 'admin@localhost', password, newPassword: PASSWORD })).body;
    const send = (n: number) => call('POST', '/api/v1/contacts', token, { name: `contact ${n}`, zone: 'UTC', addresses: { email: `c${n}@example.org` } }, { 'idempotency-key': `key-${n}` });
    const first = await send(0);
    expect(first.status).toBe(201);
    const answered = new Map<number, any>();
    const left = Array.from({ length: WRITES }, (_, i) => i + 1);
    const senders = Array.from({ length: 12 }, async () => {
      for (let n = left.shift(); n !== undefined; n = left.shift()) {
        const { status, body } = await send(n);
        if (status === 201) answered.set(n, body);
      }
    });
    for (const sender of senders) sender.catch(() => undefined);
    while (answered.size < WRITES / 3) await sleep(1);
    await engine.kill9();
    await Promise.allSettled(senders);
    engine = await start();
    const made = await all('/api/v1/contacts', token);
    const noted = (await all('/api/v1/audit-log?action=createContact', token)).map(({ status }) => status);
    // As many entries at least as there are contacts, and of those that were answered each says so, unless its end was lost with the kill.
    expect(noted.length).toBeGreaterThanOrEqual(made.length);
    expect(noted.every((status) => status === 201 || status === 0)).toBe(true);
    const again = await send(0);
    expect([again.status, again.body, again.headers.get('idempotency-replayed')]).toEqual([201, first.body, 'true']);
    const outcomes: Record<string, number> = {};
    for (let n = 1; n <= WRITES; n++) {
      const { status, body, headers } = await send(n);
      const outcome = status === 201 ? (headers.get('idempotency-replayed') === 'true' ? 'replayed' : 'done') : body.code;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (outcome === 'replayed') expect(body).toEqual(answered.get(n) ?? body);
      // What a client heard is not done again.
      if (answered.has(n)) expect(['replayed', 'outcome_unknown']).toContain(outcome);
    }
    const names = (await all('/api/v1/contacts', token)).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(outcomes).every((outcome) => ['replayed', 'done', 'outcome_unknown'].includes(outcome)), JSON.stringify(outcomes)).toBe(true);
    console.log(`writes: ${answered.size} answered before the kill; sent again: ${JSON.stringify(outcomes)}`);
    expect(await engine.stop()).toBe(0);
    const verified = await seg(['verify', '--data-dir', join(parent, 'data')]);
    expect([verified.code, verified.stderr]).toEqual([0, expect.anything()]);
  });
});
