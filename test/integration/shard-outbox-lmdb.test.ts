import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Checkpoint } from '../../src/actors/shard/checkpoint.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { EarlyWindows } from '../../src/actors/shard/early-windows.ts';
import { EffectReader } from '../../src/actors/shard/effect-reader.ts';
import { openOutbox, settleOutbox } from '../../src/actors/shard/outbox.ts';
import type { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import type { EffectBatch } from '../../src/actors/sinks/protocol.ts';
import { openShardStore } from '../../src/engine/open-shard-store.ts';
import { openWindowBlock } from '../../src/model/window-block.ts';
import type { Log } from '../../src/runtime/log.ts';
import { batchOf } from '../support/packed-readings.ts';

/** The outbox in LMDB, whose borrowed values and ranges are its own. */

const AT = Date.UTC(2026, 2, 1);
const METERS = 150;
const CONFIG = { partitionCount: 2, latenessMs: 0, correctionHorizonMs: 40 * 86_400_000, metersMax: 1_000, regionsMax: 10, detection: DEFAULT_DETECTION };
const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

let directory: string;
let store: ShardStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'seg-outbox-'));
  store = open();
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function open(): ShardStore {
  return openShardStore({ directory, shard: 0, shardCount: 1, partitionCount: CONFIG.partitionCount });
}

/** All pieces from `position` on, and the windows in them as `meterId/granularity/start`. */
function readAll(reader: EffectReader, position: string | null): { windows: string[]; position: string; pieces: EffectBatch[] } {
  const windows: string[] = [];
  const pieces: EffectBatch[] = [];
  for (;;) {
    const piece = reader.read('kafka', position, 100);
    pieces.push(piece);
    position = piece.position;
    const block = openWindowBlock(piece.windows);
    for (let i = 0; i < block.count; i++) windows.push(`${block.meterId(i)}/${block.granularity(i)}/${block.windowStart(i)}`);
    if (piece.isLast) return { windows, position, pieces };
  }
}

describe('an outbox in LMDB', () => {
  it('gives each window once by scan, then once by key, also to who comes back after a restart', async () => {
    await settleOutbox(store, ['kafka'], 'x-0-1');
    const outbox = openOutbox(store, { consumers: ['kafka'], bytesMax: 1e9 })!;
    const state = new ShardState(CONFIG, { stored: store, loadPart: (...key) => store.loadPart(...key) });
    const checkpoint = new Checkpoint(state, store, { pagesPerStepMax: 1 });
    checkpoint.outbox = outbox;
    const reader = new EffectReader({ shard: 0, process: 'p' }, { state, store, outbox, early: new EarlyWindows(), log: SILENT });
    let sequence = 0;
    const minute = async (n: number) => {
      const readings = Array.from({ length: METERS }, (_, i) => ({ meterId: `m${i}`, region: 'r', timestamp: AT + n * 60_000, powerKw: i }));
      state.applyBatch(batchOf(readings), AT + n * 60_000, ++sequence, new Uint8Array(METERS));
      // Closes what the readings have passed.
      sequence++;
      for (let partition = 0; partition < CONFIG.partitionCount; partition++) state.applyTick({ partition, fromPage: 0, toPage: Infinity }, AT + n * 60_000, sequence);
      while (checkpoint.isDue) {
        checkpoint.begin(sequence, 1);
        await store.commit();
        checkpoint.done();
      }
    };
    const windowsOf = (n: number) => Array.from({ length: METERS }, (_, i) => `m${i}/1m/${AT + n * 60_000}`).sort();
    for (const n of [0, 1]) await minute(n);
    const scan = readAll(reader, null);
    expect(scan.windows.sort()).toEqual(windowsOf(0));
    expect(scan.pieces.flatMap(({ regionWindows }) => regionWindows)).toEqual([{ region: 'r', granularity: '1m', windowStart: AT }]);
    outbox.acknowledge('kafka', scan.position);
    await minute(2);
    const byKey = readAll(reader, scan.position);
    expect([...new Set(byKey.windows)].sort()).toEqual(windowsOf(1));
    expect(byKey.windows).toHaveLength(METERS);
    await store.close();
    store = open();
    const again = openOutbox(store, { consumers: ['kafka'], bytesMax: 1e9 })!;
    expect([again.next, again.bytes, again.checksumOf(again.next - 1)]).toEqual([outbox.next, outbox.bytes, outbox.checksumOf(outbox.next - 1)]);
    expect(again.placeOf('kafka')).toEqual(outbox.placeOf('kafka'));
  });
});
