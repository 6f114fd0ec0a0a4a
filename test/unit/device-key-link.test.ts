import type { MessagePort } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { PasswordHashing } from '../../src/actors/accounts/password-hashing.ts';
import { KnownKey } from '../../src/actors/ingest/device-key-table.ts';
import { DEVICE_KEYS_PORT, DeviceKeyFeed, DeviceKeyLinks } from '../../src/engine/device-key-link.ts';
import { EngineAccounts } from '../../src/engine/engine-accounts.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { until } from '../fixtures/ingest/raw-http.ts';
import { refusal, ROOT, START_MS } from '../support/accounts-world.ts';

/** Accounts as they are over a store in memory, and ingest threads of which all but the thread is real: the ports, and what is at their ends. */

const THREADS = 2;
const worlds: World[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.close();
});

class World {
  readonly time = new VirtualTime(START_MS);
  readonly store = new MemoryStore();
  readonly feeds: DeviceKeyFeed[] = [];
  readonly used: string[] = [];
  accounts!: EngineAccounts;
  links!: DeviceKeyLinks;
  /** Of threads that hang. */
  readonly deaf = new Set<number>();
  private readonly hanging: { feed: DeviceKeyFeed; port: MessagePort }[] = [];
  private epoch = 0;

  static async start(): Promise<World> {
    const world = new World();
    worlds.push(world);
    const { time, store } = world;
    const options = { issuer: 'urn:seg:test', codeKey: new Uint8Array(32), registration: false, keyLifeMs: 86_400_000, passwordLogIn: 'all' } as const;
    const settings = { accounts: 'on', registration: false, mail: false, passwords: true, oidc: null } as const;
    const hashing = new PasswordHashing({ logN: 1, r: 1, p: 1 });
    world.accounts = new EngineAccounts(store, options, { settings, cookie: { isSecure: false } }, { clock: time, timers: time, log: nullLog, mails: null, foreign: null, onFirstAdmin: () => {}, hashing });
    await world.accounts.start();
    const { accounts } = world;
    world.links = new DeviceKeyLinks({
      accounts: { followDeviceKeys: (...given) => accounts.followDeviceKeys(...given), noteUse: (id) => world.used.push(id) },
      timers: time,
      log: nullLog,
    });
    for (let thread = 0; thread < THREADS; thread++) world.restart(thread);
    return world;
  }

  /** A thread ends, and another takes its place. */
  restart(thread: number): void {
    const feed = new DeviceKeyFeed({ clock: this.time, timers: this.time });
    this.feeds[thread] = feed;
    this.links.ingestDown(`ingest-${thread}`);
    const connect = (purpose: string, port: MessagePort): void => {
      expect(purpose).toBe(DEVICE_KEYS_PORT);
      if (this.deaf.has(thread)) this.hanging.push({ feed, port });
      else feed.connect(port);
    };
    this.links.ingestUp(`ingest-${thread}`, { epoch: ++this.epoch, connect });
  }

  /** Threads that hang go on. */
  wake(): void {
    this.deaf.clear();
    for (const { feed, port } of this.hanging.splice(0)) feed.connect(port);
  }

  /** The id that a key is of on a thread, or why it counts for nothing. */
  on(thread: number, key: string): string {
    const found = this.feeds[thread].table.use(key);
    return found instanceof KnownKey ? found.row.id : found;
  }

  knows(thread: number): Promise<void> {
    return until(() => this.on(thread, 'segk_none') !== 'not_told', 'the thread knows the keys');
  }

  async make(): Promise<{ key: string; id: string }> {
    const { key, deviceKey } = await this.accounts.ask({ kind: 'makeDeviceKey', name: 'a', scope: 'all', expiresAt: null, by: ROOT });
    return { key, id: deviceKey.id };
  }

  async revoke(id: string): Promise<void> {
    await this.accounts.ask({ kind: 'revokeDeviceKey', id, by: ROOT });
  }

  close(): void {
    this.links.close();
    for (const feed of this.feeds) feed.close();
  }
}

/** Enough turns for messages that are under way to arrive. */
async function passes(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('device keys between accounts and ingest threads', () => {
  it('count on every thread when their maker is answered, and on none when who revoked them is', async () => {
    const world = await World.start();
    await Promise.all([world.knows(0), world.knows(1)]);
    for (let n = 0; n < 20; n++) {
      const { key, id } = await world.make();
      expect([world.on(0, key), world.on(1, key)]).toEqual([id, id]);
      await world.revoke(id);
      expect([world.on(0, key), world.on(1, key)]).toEqual(['unknown', 'unknown']);
    }
  });

  it('are told whole to a thread that starts, which lets nobody in before', async () => {
    const world = await World.start();
    const { key, id } = await world.make();
    await world.knows(0);
    expect(world.on(0, key)).toBe(id);
    world.restart(0);
    expect(world.on(0, key)).toBe('not_told');
    await world.knows(0);
    expect(world.on(0, key)).toBe(id);
  });

  it('come to a thread as they are at last, whatever changes while they are read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ kind: fc.constantFrom('make' as const, 'make' as const, 'revoke' as const, 'restart' as const, 'breathe' as const), n: fc.nat(20) }), { maxLength: 25 }), async (steps) => {
        const world = await World.start();
        const keys: { key: string; id: string; isRevoked: boolean }[] = [];
        const underWay: Promise<unknown>[] = [];
        for (const { kind, n } of steps) {
          if (kind === 'make') underWay.push(world.make().then((made) => keys.push({ ...made, isRevoked: false })));
          else if (kind === 'restart') world.restart(n % THREADS);
          else if (kind === 'breathe') await new Promise((resolve) => setImmediate(resolve));
          else {
            const found = keys[n % Math.max(1, keys.length)];
            if (found === undefined) continue;
            underWay.push(world.revoke(found.id).then(() => (found.isRevoked = true)));
          }
        }
        await Promise.all(underWay);
        for (let thread = 0; thread < THREADS; thread++) {
          await world.knows(thread);
          for (const { key, id, isRevoked } of keys) expect(world.on(thread, key)).toBe(isRevoked ? 'unknown' : id);
        }
        world.close();
      }),
      { numRuns: 60 },
    );
  });

  it('are told anew after the accounts had to begin again, as nobody knows what of the last commit is on disk', async () => {
    const world = await World.start();
    const { key, id } = await world.make();
    await Promise.all([world.knows(0), world.knows(1)]);
    world.store.failNext('storage_failed', 1);
    expect(await refusal(world.revoke(id))).toBe('unavailable');
    expect(world.on(0, key)).toBe(id);
    // As if the commit had been on disk all the same.
    const table = world.store.table('device-keys');
    for (const { key: at } of [...table.range(new Uint8Array(0), new Uint8Array([0xff]))]) table.remove(at);
    await world.store.commit();
    await world.time.advanceSettled(1_000);
    await until(() => world.on(0, key) === 'unknown' && world.on(1, key) === 'unknown', 'both threads go by what is on disk');
    const next = await world.make();
    expect([world.on(0, next.key), world.on(1, next.key)]).toEqual([next.id, next.id]);
  });

  it('wait for no thread that is gone, and not for ever for one that hangs', async () => {
    const world = await World.start();
    await Promise.all([world.knows(0), world.knows(1)]);
    world.deaf.add(1);
    world.restart(1);
    const done: string[] = [];
    await passes();
    const hung = world.make().then((made) => (done.push('hung'), made));
    await passes();
    expect(done).toEqual([]);
    world.links.ingestDown('ingest-1');
    const { key, id } = await hung;
    expect(world.on(0, key)).toBe(id);
    world.restart(1);
    await passes();
    const late = world.make().then((made) => (done.push('late'), made));
    await passes();
    await world.time.advanceSettled(1_999);
    expect(done).toEqual(['hung']);
    await world.time.advanceSettled(1);
    const later = await late;
    world.wake();
    await world.knows(1);
    expect([world.on(1, key), world.on(1, later.key)]).toEqual([id, later.id]);
  });

  it('tell the accounts of their use, together, and of what is left when the thread ends', async () => {
    const world = await World.start();
    const [a, b] = [await world.make(), await world.make()];
    await world.knows(0);
    world.on(0, a.key);
    world.on(0, b.key);
    world.on(0, a.key);
    expect(world.used).toEqual([]);
    world.feeds[0].close();
    await until(() => world.used.length === 2, 'the uses are told');
    expect(world.used).toEqual([a.id, b.id]);
    await world.knows(1);
    world.on(1, b.key);
    world.time.advance(1_000);
    await until(() => world.used.length > 2, 'the use is told');
    expect(world.used).toEqual([a.id, b.id, b.id]);
  });
});
