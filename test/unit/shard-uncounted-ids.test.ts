import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TRIM_STEP_MAX } from '../../src/actors/shard/actor-bounds.ts';
import { readLogRecord } from '../../src/actors/shard/log-record.ts';
import { isUncounted, packPositions, positionsEnd } from '../../src/actors/shard/uncounted-readings.ts';
import type { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { sequenceKey } from '../../src/actors/shard/store-keys.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { ReadingBatchBuilder } from '../../src/model/reading-batch.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { ShardHarness, type HarnessOptions, type SentBatch } from '../support/shard-harness.ts';
import { LIFE_START_MS } from '../support/shard-lives.ts';

/** Only a reading that counts makes its readingId known: a restart remembers no other, however soon dead letters go and whatever of the log has gone. */

async function begin(options: Partial<HarnessOptions> = {}): Promise<ShardHarness> {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, stepMs: 10, deadLettersMax: 1, ...options });
  await harness.start();
  await send(harness, [reading(0, 1)]);
  return harness;
}

const HOUR_MS = 3_600_000;

/** `afterMs`: from the first one, which the meter has the value of. */
function reading(afterMs: number, powerKw: number, id?: number): TestReading {
  return { meterId: 'm0', region: 'r0', timestamp: LIFE_START_MS + afterMs, powerKw, ...(id === undefined ? {} : { readingId: [id, 7] as const }) };
}

/** One record, and the steps that it makes due. */
async function send(harness: ShardHarness, readings: readonly TestReading[]): Promise<SentBatch> {
  const batch = harness.send(readings);
  await harness.drain();
  await harness.advance(100);
  return batch;
}

/** Contradicts the first reading under each of the ids, a record each. */
async function contradict(harness: ShardHarness, ids: readonly number[]): Promise<void> {
  for (const id of ids) expect((await send(harness, [reading(0, 1 + id, id)])).reply?.accepted).toBe(0);
}

/** Log records of which it is noted which of their readings were uncounted. */
function notedOf(store: ShardStore): number[] {
  return [...store.uncounted.keys(Buffer.alloc(1), Buffer.alloc(7, 255))].map((key) => Buffer.from(key).readUIntBE(0, 6));
}

const readingsOf = (harness: ShardHarness) => harness.ask<'meter'>({ kind: 'meter', meterId: 'm0' })?.readings;
const accepted = async (harness: ShardHarness, one: TestReading) => (await send(harness, [one])).reply?.accepted;

/** It is accepted as the meter's second, and still there after a death before anything was written. */
async function expectToStay(harness: ShardHarness, one: TestReading): Promise<void> {
  const batch = harness.send([one]);
  await harness.drain();
  expect(batch.reply?.accepted).toBe(1);
  await harness.crash('kept', 'lost');
  expect(readingsOf(harness)).toBe(2);
}

describe('a reading that was rejected', () => {
  it.each<[string, Partial<HarnessOptions>]>([
    ['the newest letter is kept', { deadLettersMax: 1 }],
    ['none is kept', { deadLettersMax: 0 }],
    ['all are', {}],
  ])('counts under its readingId once it is corrected after a restart: %s', async (_, options) => {
    const harness = await begin(options);
    await contradict(harness, [1, 2, 3]);
    await harness.crash('lost');
    for (const id of [1, 2, 3]) expect(await accepted(harness, reading(id, 9, id)), `id ${id}`).toBe(1);
    for (const id of [1, 2, 3]) expect(await accepted(harness, reading(id + 10, 9, id)), 'now it is known').toBe(0);
  });

  it('and was corrected before the restart stays counted where the page is from between the two', async () => {
    const harness = await begin({ commitMs: 50 });
    await contradict(harness, [1, 2]);
    await harness.advance(5_000);
    await expectToStay(harness, reading(5, 9, 1));
  });

  it('counts when the step that noted it failed and was made again', async () => {
    const harness = await begin();
    const commit = harness.shardStore.commit.bind(harness.shardStore);
    let failures = 0;
    harness.shardStore.commit = () => (failures++ < 2 ? Promise.reject(new OperationalError('storage_full', 'no space', { retryable: true })) : commit());
    await send(harness, [reading(0, 2, 1), reading(0, 3, 2), reading(0, 4, 3)]);
    await harness.advance(10_000);
    expect(failures).toBeGreaterThan(2);
    await harness.crash('lost');
    expect(await accepted(harness, reading(1, 9, 1))).toBe(1);
  });

  it('counts in a store of an engine that kept dead letters alone', async () => {
    const harness = await begin({ deadLettersMax: 10 });
    await contradict(harness, [1, 2]);
    for (const sequence of notedOf(harness.shardStore)) harness.shardStore.uncounted.remove(sequenceKey(sequence));
    const committed = harness.shardStore.commit();
    await harness.advance(100);
    await committed;
    await harness.crash('lost');
    expect(await accepted(harness, reading(1, 9, 1))).toBe(1);
  });

  it('is noted with others of its record, and only those that the shard rejected', async () => {
    const harness = await begin();
    const { reply } = await send(harness, [reading(1, 1, 11), reading(0, 2, 12), reading(2, 1, 13), reading(0, 3, 14)]);
    expect(reply?.accepted).toBe(2);
    await harness.crash('lost');
    for (const [id, counts] of [[11, 0], [12, 1], [13, 0], [14, 1]]) expect(await accepted(harness, reading(100 + id, 1, id)), `id ${id}`).toBe(counts);
  });

  it('is not noted where it never became columns', async () => {
    const harness = await begin({ deadLettersMax: 10 });
    const builder = new ReadingBatchBuilder(4);
    builder.appendRejected({ index: 0, code: 'missing_field', message: 'powerKw is missing', raw: '{}' });
    const { buffer } = builder.pack();
    harness.actor.append({ kind: 'append', buffer, bytes: buffer.byteLength }, { ok() {}, fail() {} });
    await harness.advance(1_000);
    expect([harness.shardStore.deadLetters.count(), harness.shardStore.uncounted.count()]).toEqual([1, 0]);
  });

  it('is noted as long as the log has it, and no longer', async () => {
    const harness = await begin({ segmentBytesMax: 500, journalKeepBytesMax: 2_000 });
    for (let id = 1; id <= 60; id++) await contradict(harness, [id]);
    const { shardStore } = harness;
    const from = shardStore.logFrom();
    expect(from).toBeGreaterThan(30);
    // Its step takes away what the log was trimmed by before.
    await send(harness, [reading(1, 1)]);
    const batches = [...shardStore.journal.records(from)].filter(({ bytes, sequence }) => readLogRecord(bytes, sequence).kind === 'batch').map(({ sequence }) => sequence);
    expect(batches.length).toBeGreaterThan(5);
    expect(notedOf(shardStore)).toEqual(batches.slice(0, -1));
  });

  it('is forgotten in steps that are no longer for it', async () => {
    const harness = await begin();
    const { shardStore } = harness;
    for (let n = 0; n < 5 * TRIM_STEP_MAX; n++) shardStore.putUncountedReadings(n + 1, packPositions([0]));
    shardStore.putLogFrom(5 * TRIM_STEP_MAX + 1);
    const committed = shardStore.commit();
    await harness.advance(100);
    await committed;
    const counts: number[] = [];
    for (let i = 1; i <= 6; i++) {
      await send(harness, [reading(i, 1)]);
      counts.push(shardStore.uncounted.count());
    }
    expect(counts).toEqual([4, 3, 2, 1, 0, 0].map((steps) => steps * TRIM_STEP_MAX));
  });
});

describe('a reading that was known by its timestamp', () => {
  it.each(['before', 'after'])('leaves the readingId that it came under to another, %s a restart', async (when) => {
    const harness = await begin({ commitMs: 50 });
    expect((await send(harness, [reading(0, 1, 20)])).reply).toMatchObject({ accepted: 0, duplicates: 1 });
    await harness.advance(5_000);
    if (when === 'after') await harness.crash('lost');
    await expectToStay(harness, reading(5, 9, 20));
  });

  it('does not make its readingId known for longer, when a restart finds nothing older of it in the log', async () => {
    const harness = await begin({ segmentBytesMax: 100, commitMs: 20 });
    await send(harness, [reading(1, 1, 5)]);
    const others = async (fromMs: number, toMs: number): Promise<void> => {
      for (let ms = fromMs; ms < toMs; ms += 5_000) {
        await send(harness, [{ ...reading(ms, 1), meterId: 'other' }]);
        await harness.advance(4_900);
      }
    };
    await others(0, 240_000);
    expect((await send(harness, [reading(1, 1, 5)])).reply?.duplicates).toBe(1);
    await others(240_000, 363_000);
    const batch = harness.send([reading(300_000, 9, 5)]);
    await harness.drain();
    expect(batch.reply?.accepted, 'its five minutes are over').toBe(1);
    await harness.crash('kept', 'lost');
    expect(readingsOf(harness)).toBe(3);
  });

  it('is the same whether its window was taken away by then or not', async () => {
    const harness = await begin({ stepMs: 1_000, correctionHorizonMs: HOUR_MS, retention: { keepMs: [HOUR_MS, HOUR_MS] } });
    for (const hours of [-10, -5]) harness.send([reading(hours * HOUR_MS, 1)]);
    // Gone for the running shard, and back when the step that takes it away is lost.
    const page = harness.actor.state.directory.pages[0];
    const commit = harness.shardStore.commit.bind(harness.shardStore);
    harness.shardStore.commit = async () => {
      if (page.removed !== null) await new Promise<void>((resolve) => void harness.time.after(5_000, resolve));
      return commit();
    };
    for (let i = 0; i < 10_000 && page.removed === null; i++) await harness.advance(1);
    const [old, other] = [harness.send([reading(-10 * HOUR_MS, 1, 5)]), harness.send([reading(1_000, 9, 5)])];
    await harness.drain();
    expect(old.reply?.outcomes).toEqual(Uint8Array.of(OUTCOME.tooLate));
    expect(other.reply?.accepted).toBe(1);
    const counted = readingsOf(harness);
    await harness.crash('kept', 'lost');
    expect(readingsOf(harness)).toBe(counted);
  });
});

describe('a readingId that is repeated under another time', () => {
  it('is known or not to a restart as it was before, however much log has come since', async () => {
    const meters = Array.from({ length: 40 }, (_, i) => `m${i}`);
    let cut = 0;
    for (let keepBytes = 400; keepBytes < 4_600; keepBytes += 30) {
      const harness = await begin({ segmentBytesMax: 1, journalKeepBytesMax: keepBytes, journalBytesMax: 50_000, intervalMs: 200 });
      await harness.advance((keepBytes * 7) % 1_000);
      // Some a second, all on disk soon; the log is trimmed with what comes next.
      for (const [i, meterId] of meters.entries()) {
        await send(harness, [{ ...reading(1, 1, i), meterId }]);
        await harness.advance(150);
      }
      for (const meterId of ['x', 'y']) {
        await harness.advance(1_000);
        await send(harness, [{ ...reading(1, 1), meterId }]);
      }
      await harness.advance(1_000);
      // The first to be replayed: nothing that it asks for lies further back than it has to.
      const batch = harness.send(meters.map((meterId, i) => ({ ...reading(10_000, 5, i), meterId })));
      await harness.drain();
      const accepted = meters.map((_, i) => (batch.reply!.outcomes?.[i] ?? OUTCOME.accepted) === OUTCOME.accepted);
      if (accepted.includes(true) && accepted.includes(false)) cut++;
      await harness.crash('kept', 'lost');
      const now = meters.map((meterId) => harness.ask<'meter'>({ kind: 'meter', meterId })!.readings - (meterId === 'm0' ? 2 : 1) === 1);
      expect(now, `of ${keepBytes} bytes`).toEqual(accepted);
    }
    expect(cut).toBeGreaterThan(100);
  });
});

it('the log is trimmed where a second begins that is forgotten, and not within one', async () => {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, stepMs: 10, segmentBytesMax: 1, journalKeepBytesMax: 500, journalBytesMax: 25_600, intervalMs: 100 });
  await harness.start();
  const begins: number[] = [];
  for (let second = 0; second < 6; second++) {
    begins.push(harness.shardStore.lastSequence() + 1);
    for (let i = 0; i < 30; i++) {
      harness.send([reading(second * 100 + i, 1)]);
      await harness.advance(20);
    }
    await harness.advance(400);
  }
  expect(begins).toContain(harness.shardStore.logFrom());
  expect(harness.shardStore.logFrom()).toBeGreaterThan(30);
});

describe('positions of uncounted readings', () => {
  it('are those that were packed', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(300), { maxLength: 40 }), (some) => {
        const positions = some.sort((a, b) => a - b);
        const packed = packPositions(positions);
        expect(Array.from({ length: 400 }, (_, i) => i).filter((i) => isUncounted(packed, i))).toEqual(positions);
        expect(positionsEnd(packed)).toBe(positions.length === 0 ? 0 : positions[positions.length - 1] + 1);
      }),
    );
  });
});
