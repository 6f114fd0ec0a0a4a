import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceKeyChange, DeviceKeyRow, DeviceScope } from '../../src/actors/accounts/protocol.ts';
import { DeviceKeyTable, KnownKey, USE_TOLD_MS, type DeviceKeyNews } from '../../src/actors/ingest/device-key-table.ts';
import type { MeterId } from '../../src/model/ids.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

const START_MS = 1_700_000_000_000;
const SCOPES: readonly DeviceScope[] = ['all', { meters: ['m-1' as MeterId] }];

/** What accounts have, in the plainest way: every key that was ever made. */
interface Made {
  key: string;
  row: DeviceKeyRow;
  isRevoked: boolean;
}

/** An ingest thread: what it has been told waits in its port until it gets to it. */
class Thread {
  table!: DeviceKeyTable;
  readonly told: { id: string; at: number }[] = [];
  private port: DeviceKeyNews[] = [];
  private readonly time: VirtualTime;

  constructor(time: VirtualTime, made: readonly Made[]) {
    this.time = time;
    this.restart(made);
  }

  restart(made: readonly Made[]): void {
    this.told.length = 0;
    this.table = new DeviceKeyTable({ clock: this.time, onUse: (id, at) => this.told.push({ id, at }) });
    this.port = [{ whole: made.filter(({ isRevoked }) => !isRevoked).map(({ row }) => row), changes: [] }];
  }

  /** The accounts began again, and tell everything once more. */
  tellAgain(made: readonly Made[]): void {
    this.port.push({ whole: made.filter(({ isRevoked }) => !isRevoked).map(({ row }) => row), changes: [] });
  }

  post(change: DeviceKeyChange): void {
    this.port.push({ whole: null, changes: [change] });
  }

  read(): void {
    for (const news of this.port.splice(0)) this.table.learn(news);
  }
}

/** As somebody would say it who looks at all keys each time. */
function expected(made: readonly Made[], key: string, nowMs: number): string {
  const found = made.find((one) => one.key === key);
  if (found === undefined || found.isRevoked) return 'unknown';
  return found.row.expiresAt !== null && nowMs >= found.row.expiresAt ? 'expired' : found.row.id;
}

function answer(table: DeviceKeyTable, key: string): string {
  const found = table.use(key);
  return found instanceof KnownKey ? found.row.id : found;
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('make' as const), scope: fc.constantFrom(...SCOPES), livesMs: fc.option(fc.integer({ min: 1, max: 200_000 })) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('revoke' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), thread: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tellAgain' as const), thread: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 90_000 }) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('use' as const), which: fc.nat(30), thread: fc.nat(1) }) },
);

describe('the device keys of an ingest thread', () => {
  it('are those that accounts have, whatever was made, revoked and restarted, and tell of their use once a minute', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const time = new VirtualTime(START_MS);
        const made: Made[] = [];
        const threads = [new Thread(time, made), new Thread(time, made)];
        for (const [n, one] of steps.entries()) {
          if (one.kind === 'make') {
            const key = `segk_${n}`;
            const row = { hash: createHash('sha256').update(key).digest('hex'), id: `key_${n}`, scope: one.scope, expiresAt: one.livesMs === null ? null : time.now() + one.livesMs };
            made.push({ key, row, isRevoked: false });
            for (const thread of threads) thread.post({ rows: [row], removed: [] });
          } else if (one.kind === 'revoke') {
            const found = made[one.which % Math.max(1, made.length)];
            if (found === undefined) continue;
            found.isRevoked = true;
            for (const thread of threads) thread.post({ rows: [], removed: [found.row.hash] });
          } else if (one.kind === 'restart') threads[one.thread].restart(made);
          else if (one.kind === 'tellAgain') threads[one.thread].tellAgain(made);
          else if (one.kind === 'wait') time.advance(one.ms);
          else {
            const thread = threads[one.thread];
            thread.read();
            const { key, row } = made[one.which % Math.max(1, made.length)] ?? { key: 'segk_none', row: null };
            const before = thread.told.length;
            const last = thread.told.findLast(({ id }) => id === row?.id);
            const found = answer(thread.table, key);
            expect(found).toBe(expected(made, key, time.now()));
            const isToldNow = found === row?.id && (last === undefined || time.now() - last.at >= USE_TOLD_MS);
            expect(thread.told.slice(before)).toEqual(isToldNow ? [{ id: found, at: time.now() }] : []);
          }
        }
        for (const thread of threads) {
          thread.read();
          for (const { key } of [...made, { key: 'segk_none' }]) expect(answer(thread.table, key)).toBe(expected(made, key, time.now()));
        }
      }),
      { numRuns: 500 },
    );
  });
});
