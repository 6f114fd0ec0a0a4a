import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { open } from 'lmdb';
import { Packr, Unpackr } from 'msgpackr';
import { afterEach, describe, expect, it } from 'vitest';
import { controlRecord, type ControlRecord } from '../../src/actors/shard/log-record.ts';
import { PAGE_VERSION } from '../../src/actors/shard/page-codec.ts';
import { ROW_BYTES } from '../../src/actors/shard/page-layout.ts';
import { STORE_FORMAT, STORE_FORMAT_OLDEST } from '../../src/actors/shard/shard-store.ts';
import { sealReadingBatch } from '../../src/model/reading-batch.ts';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import type { Store, Table } from '../../src/runtime/store.ts';
import { post } from '../support/engine-api.ts';
import { EngineProcess, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

/** Every file of a data directory says which format it has; an engine that does not read it says so, once, and leaves it alone. */

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });
const AT = Date.UTC(2026, 0, 1);

let dataDir: string | null = null;
const engines: EngineProcess[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.kill9();
  if (dataDir !== null) removeDirectory(dataDir);
  dataDir = null;
});

function spawn(): EngineProcess {
  const engine = EngineProcess.spawn({ dataDir: dataDir!, settings: { SHARDS: '1' } });
  engines.push(engine);
  return engine;
}

/** The first entry of a table with a value that starts with this text. */
function patchFirst(table: Table, magic: string, change: (value: Uint8Array, view: DataView) => void): void {
  for (const { key, value } of table.range(Buffer.alloc(1), Buffer.alloc(80, 255))) {
    if (Buffer.from(value).toString('latin1', 0, 4) !== magic) continue;
    const copy = new Uint8Array(value);
    change(copy, new DataView(copy.buffer));
    table.put(key, copy);
    return;
  }
  throw new Error(`no ${magic} found`);
}

function setIdentity(store: Store, format: number): void {
  const meta = store.table('meta');
  meta.put(Buffer.from('identity'), packr.pack({ ...(unpackr.unpack(meta.get(Buffer.from('identity'))!) as object), format }));
}

function otherStore(format: number): RegExp {
  return new RegExp(`the store of shard 0 has format ${format}, this engine reads ${STORE_FORMAT}; use the engine that wrote it\n$`);
}

/** What is changed, in which store below the shard's directory, what the engine says of it, and the change. */
const PATCHES: [string, string, RegExp, (store: Store) => void][] = [
  ['the store, newer', '', otherStore(STORE_FORMAT + 1), (store) => setIdentity(store, STORE_FORMAT + 1)],
  ['the store, older', '', otherStore(STORE_FORMAT_OLDEST - 1), (store) => setIdentity(store, STORE_FORMAT_OLDEST - 1)],
  [
    'a page',
    '',
    new RegExp(`page 0 of partition \\d+ has format ${PAGE_VERSION + 1} with ${ROW_BYTES}-byte rows; this engine reads format ${PAGE_VERSION} with ${ROW_BYTES}\n$`),
    (store) =>
      patchFirst(store.table('pages'), 'SEGP', (value, view) => {
        view.setUint16(4, PAGE_VERSION + 1, true);
        view.setUint32(12, crc32(value.subarray(16), crc32(value.subarray(0, 12))), true);
      }),
  ],
  [
    'a batch in the log',
    'log-1',
    /log record \d+ has format 7, this engine reads 1; use the engine that wrote it\n$/,
    (store) =>
      patchFirst(store.table('log'), 'SEGB', (value, view) => {
        view.setUint16(4, 7, true);
        sealReadingBatch(value, AT);
      }),
  ],
  [
    'another record of the log',
    'log-1',
    /log record 9 is of the kind "song", which this engine does not know; use the engine that wrote it\n$/,
    (store) => store.table('log').put(Buffer.from([0, 0, 0, 0, 0, 9]), controlRecord({ kind: 'song', nowMs: AT } as unknown as ControlRecord)),
  ],
  [
    'a segment of the log',
    'log-1',
    /the log segment that begins with record 1 has format 2, this engine reads 1; use the engine that wrote it\n$/,
    (store) => {
      const header = Buffer.alloc(6);
      const stored = JSON.parse(Buffer.from(store.table('log').get(header)!).toString()) as object;
      store.table('log').put(header, Buffer.from(JSON.stringify({ ...stored, format: 2 })));
    },
  ],
];

describe('a data directory of another format', () => {
  it.each(PATCHES)('is refused with a clear word, and good again once it is as it was: %s', { timeout: 60_000 }, async (_, place, message, patch) => {
    dataDir = temporaryDirectory();
    const first = spawn();
    await first.ready();
    await post(first, [{ meterId: 'm', region: 'r', timestamp: AT, powerKw: 1 }]);
    // An orderly stop writes the tables, and what is in the log counts no more.
    if (place === 'log-1') await first.kill9();
    else expect(await first.stop()).toBe(0);
    const file = join(dataDir, 'gen-1/shard-0', place, 'data.mdb');
    const good = readFileSync(file);
    const store = openLmdbStore({ directory: join(dataDir, 'gen-1/shard-0', place) });
    patch(store);
    await store.commit();
    await store.close();
    const refused = spawn();
    expect(await refused.exited()).toBe(1);
    expect(refused.stderr).toMatch(message);
    expect(refused.stderr).toMatch(/^seg: shard 0 cannot read its data: /);
    // Once: no restart would help.
    expect(refused.stderr).not.toContain('gives up');
    writeFileSync(file, good);
    await spawn().ready();
  });

  it('is refused with a clear word: values without checksums', { timeout: 60_000 }, async () => {
    dataDir = temporaryDirectory();
    const first = spawn();
    await first.ready();
    expect(await first.stop()).toBe(0);
    const directory = join(dataDir, 'gen-1/shard-0');
    // As format 2 was: the same tables, and values as they are.
    const found = openLmdbStore({ directory });
    const identity = new Uint8Array(found.table('meta').get(Buffer.from('identity'))!);
    await found.close();
    rmSync(join(directory, 'data.mdb'));
    const older = open<Buffer, Buffer>({ path: directory, noSubdir: false, maxDbs: 16, encoding: 'binary', keyEncoding: 'binary', overlappingSync: false });
    await older.openDB<Buffer, Buffer>({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' }).put(Buffer.from('identity'), Buffer.from(identity));
    await older.close();
    const refused = spawn();
    expect(await refused.exited()).toBe(1);
    expect(refused.stderr).toMatch(/^seg: shard 0 cannot read its data: the values of the store at .* have no checksums, as those of older engines; use the engine that wrote it\n$/);
  });
});
