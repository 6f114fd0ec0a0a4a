import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { openShardStore } from '../../src/engine/open-shard-store.ts';
import { walkPages } from '../../src/runtime/lmdb-pages.ts';

/** A shard with more history than anybody can wait for: its windows are used before their pages are walked. */

const IDENTITY = { shard: 0, shardCount: 1, partitionCount: 1 };
/** Past what is waited for; nothing lies in most of it, and the disk gives no room to that. */
const FILE_BYTES = 1024 * 1024 * 1024;
const PAGE_BYTES = 32_768;

let directory: string;
const file = () => join(directory, 'data.mdb');
const note = () => join(directory, 'pages-unwalked');

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'seg-unwalked-'));
  const store = openShardStore({ directory, ...IDENTITY });
  await store.identify(IDENTITY);
  for (let i = 0; i < 2_000; i++) store.windows.put(Buffer.from(`window-${10_000 + i}`), Buffer.alloc(100));
  await store.commit();
  await store.close();
  truncateSync(file(), FILE_BYTES);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Damages one leaf of the windows: LMDB would read past the end of the page. */
function damageWindows(): void {
  const sound = readFileSync(file()).subarray(0, 100 * PAGE_BYTES);
  for (let at = 2 * PAGE_BYTES; at < sound.length; at += PAGE_BYTES) {
    const bytes = Buffer.from(sound);
    bytes.writeUInt16LE(0x7ff0, at + 24);
    writeFileSync(file(), bytes);
    truncateSync(file(), FILE_BYTES);
    if (walkPages(file()).some(({ table, problem }) => table === 'windows' && problem.startsWith('has node 0'))) return;
  }
  throw new Error('no leaf of the windows was found');
}

const start = (onDamage: (error: unknown) => void = () => {}): ShardStore => openShardStore({ directory, ...IDENTITY, pages: 'beside', onDamage });

describe('a shard whose windows are used before they are walked', () => {
  it('has a note of it until the walk is over', async () => {
    const store = start();
    expect(readFileSync(note(), 'utf8')).toBe('1');
    store.waitForCheck();
    await vi.waitFor(() => expect(existsSync(note())).toBe(false), { timeout: 20_000 });
    await store.close();
  });

  it('says that one is damaged once the walk has found it, and not before it is opened when that has happened twice', async () => {
    damageWindows();
    const DAMAGE = { code: 'corrupt', message: expect.stringMatching(/of table "windows" has node 0 outside it/) };
    for (const starts of ['1', '2']) {
      const onDamage = vi.fn();
      const store = start(onDamage);
      store.waitForCheck();
      await vi.waitFor(() => expect(onDamage).toHaveBeenCalledOnce(), { timeout: 20_000 });
      expect(onDamage.mock.calls[0][0]).toMatchObject(DAMAGE);
      expect(readFileSync(note(), 'utf8')).toBe(starts);
      await store.close();
    }
    const begun = attempt(start);
    expect(begun instanceof Error ? begun : attempt(() => begun.waitForCheck())).toMatchObject(DAMAGE);
    if (!(begun instanceof Error)) await begun.close();
    // It was no start that did without.
    expect(readFileSync(note(), 'utf8')).toBe('2');
  });
});

function attempt<T>(use: () => T): T | Error {
  try {
    return use();
  } catch (error) {
    return error as Error;
  }
}
