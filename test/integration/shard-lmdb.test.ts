import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Checkpoint } from '../../src/actors/shard/checkpoint.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { ShardQueries } from '../../src/actors/shard/queries.ts';
import { recover } from '../../src/actors/shard/recovery.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { GRANULARITIES } from '../../src/model/window.ts';
import { openShardStore } from '../../src/engine/open-shard-store.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import { batchOf, type TestReading } from '../support/packed-readings.ts';
import { expectWindows } from '../support/shard-expectations.ts';

const AT = Date.UTC(2026, 2, 1);
const directory = mkdtempSync(join(tmpdir(), 'seg-shard-'));
afterEach(() => rmSync(directory, { recursive: true }));

function open() {
  const store = openShardStore({ directory, shard: 0, shardCount: 1, partitionCount: 1 });
  const config = { partitionCount: 1, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, metersMax: 100, regionsMax: 10, detection: DEFAULT_DETECTION };
  const state = new ShardState(config, { stored: store, loadPart: (...key) => store.loadPart(...key) });
  const checkpoint = new Checkpoint(state, store, { pagesPerStepMax: 100 });
  return { store, state, checkpoint, queries: new ShardQueries(state, store, DEFAULT_DETECTION) };
}

it('corrects windows, regional parts and profiles that lie in LMDB, and finds them when it is opened again', async () => {
  const day: TestReading[] = Array.from({ length: 26 * 60 }, (_, minute) => ({ meterId: 'm', region: 'r', timestamp: AT + minute * 60_000, powerKw: minute / 8 }));
  const late: TestReading[] = [5, 6, 700].map((minute) => ({ meterId: 'm', region: minute === 6 ? 'other' : 'r', timestamp: AT + minute * 60_000 + 30_000, powerKw: -50 }));
  const outcomes = new Uint8Array(day.length);
  let shard = open();
  const save = async (sequence: number) => {
    shard.checkpoint.begin(sequence, 'all');
    // There is no log here that would end before.
    shard.store.putLogFrom(sequence + 1);
    await shard.store.commit();
    shard.checkpoint.done();
  };
  shard.state.applyBatch(batchOf(day), AT, 1, outcomes);
  await save(1);
  expect([shard.store.profiles.count(), shard.store.windows.count() > 1_500]).toEqual([24, true]);
  for (let round = 0; round < 3; round++) {
    await shard.store.close();
    shard = open();
    recover(shard.state, shard.store, shard.checkpoint);
    expect(shard.state.applyBatch(batchOf([late[round]]), AT, 2 + round, outcomes)).toBe(1);
    await save(2 + round);
    const counted = [...day, ...late.slice(0, round + 1)];
    for (const granularity of GRANULARITIES) {
      const query = { granularity, from: 0, to: 1e13, limit: 5_000, cursor: null };
      expectWindows(shard.queries.answer<'meterWindows'>({ kind: 'meterWindows', meterId: 'm', query })!.data, windowsOf(counted, granularity));
    }
    const [part] = shard.queries.answer<'regionParts'>({ kind: 'regionParts', region: 'r', granularity: '1m', from: AT + 5 * 60_000, to: AT + 6 * 60_000, limit: 1, withOpen: false });
    expect(part).toMatchObject({ meters: 1, minPowerKw: -50, maxPowerKw: 0.625 });
  }
  await shard.store.close();
});
