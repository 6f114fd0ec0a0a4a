import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePlace, placeText, SCAN_TABLES, type EffectPlace } from '../../src/actors/shard/effect-place.ts';
import { openOutboxRecord, OutboxRecordBuilder, type OutboxItem } from '../../src/actors/shard/outbox-record.ts';
import { pendingKey, PendingWindows } from '../../src/actors/shard/pending-windows.ts';
import { ChunkMemory } from '../../src/runtime/chunk-memory.ts';

/** Years 1970 to 2100, in minutes. */
const windowNumber = fc.nat(68_000_000);
const granularity = fc.nat(1);
const key = fc.uint8Array({ minLength: 1, maxLength: 80 });

const contents = fc.record({
  parts: fc.array(fc.record({ region: fc.nat(65_535), granularity, windowNumber }), { maxLength: 20 }),
  anomalies: fc.array(key, { maxLength: 8 }),
  deadLetters: fc.array(key, { maxLength: 8 }),
  pages: fc.array(
    fc.record({
      partition: fc.nat(65_535),
      page: fc.nat(2 ** 32 - 1),
      windows: fc.uniqueArray(fc.record({ granularity, windowNumber: fc.oneof(windowNumber, fc.nat(3)), row: fc.nat(63) }), { maxLength: 60, selector: (window) => pendingKey(window.granularity, window.windowNumber, window.row) }),
    }),
    { maxLength: 5 },
  ),
  link: fc.record({ previousChecksum: fc.nat(2 ** 32 - 1), bytesBefore: fc.nat(2 ** 50) }),
});

function recordOf({ parts, anomalies, deadLetters, pages, link }: typeof contents extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  const builder = new OutboxRecordBuilder();
  for (const part of parts) builder.addPart(part.region, part.granularity, part.windowNumber);
  for (const name of anomalies) builder.addKey('anomaly', name);
  for (const name of deadLetters) builder.addKey('deadLetter', name);
  for (const { partition, page, windows } of pages) {
    const pending = new PendingWindows(new ChunkMemory());
    for (const window of windows) pending.put(pendingKey(window.granularity, window.windowNumber, window.row), new Uint8Array(8));
    builder.addPage(partition, page, pending);
  }
  return builder.finish(link);
}

function rowsOf({ rowsLow, rowsHigh }: { rowsLow: number; rowsHigh: number }): number[] {
  return Array.from({ length: 64 }, (_, row) => row).filter((row) => ((row < 32 ? rowsLow >>> row : rowsHigh >>> (row - 32)) & 1) === 1);
}

describe('a record of the outbox', () => {
  it('gives back every key that was put in, each window once', () => {
    fc.assert(
      fc.property(contents, (put) => {
        // What a store lends lies in a larger buffer.
        const lent = new Uint8Array([...new Uint8Array(3), ...recordOf(put), ...new Uint8Array(5)]);
        const record = openOutboxRecord(lent.subarray(3, lent.length - 5), 1);
        lent.fill(0xdb);
        const items = Array.from({ length: record.length }, (_, i) => record.itemAt(i));
        const of = <K extends OutboxItem['kind']>(kind: K) => items.filter((item): item is Extract<OutboxItem, { kind: K }> => item.kind === kind);
        expect([record.previousChecksum, record.bytesBefore]).toEqual([put.link.previousChecksum, put.link.bytesBefore]);
        expect(of('part')).toEqual(put.parts.map((part) => ({ kind: 'part', ...part })));
        const keys = items.flatMap((item) => (item.kind === 'anomaly' || item.kind === 'deadLetter' ? [[item.kind, Buffer.from(item.key).toString('hex')]] : []));
        const named = (kind: string, names: Uint8Array[]) => names.map((name) => [kind, Buffer.from(name).toString('hex')]);
        expect(keys).toEqual([...named('anomaly', put.anomalies), ...named('deadLetter', put.deadLetters)]);
        const windows = items.flatMap((item) => (item.kind === 'windows' ? rowsOf(item).map((row) => `${item.partition}/${item.page}/${item.granularity}/${item.windowNumber}/${row}`) : []));
        const expected = put.pages.flatMap(({ partition, page, windows }) => windows.map((window) => `${partition}/${page}/${window.granularity}/${window.windowNumber}/${window.row}`));
        expect(windows.sort()).toEqual(expected.sort());
      }),
    );
  });

  it('names the windows of one page and time in one item', () => {
    const pending = new PendingWindows(new ChunkMemory());
    for (let row = 63; row >= 0; row--) pending.put(pendingKey(0, 29_000_000, row), new Uint8Array(8));
    const builder = new OutboxRecordBuilder();
    builder.addPage(7, 3, pending);
    const record = openOutboxRecord(builder.finish({ previousChecksum: 0, bytesBefore: 0 }), 1);
    expect([record.length, record.itemAt(0)]).toEqual([1, { kind: 'windows', partition: 7, page: 3, granularity: 0, windowNumber: 29_000_000, rowsLow: 0xffffffff, rowsHigh: 0xffffffff }]);
  });

  it('is refused when any of its bits changed, and when it is cut short', () => {
    const [put] = fc.sample(contents, { numRuns: 1, seed: 7 });
    const whole = recordOf(put);
    expect(() => openOutboxRecord(whole, 9)).not.toThrow();
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = whole.slice();
      bytes[bit >> 3] ^= 1 << (bit & 7);
      expect(() => openOutboxRecord(bytes, 9)).toThrow('outbox record 9');
    }
    for (let length = 0; length < whole.length; length++) expect(() => openOutboxRecord(whole.subarray(0, length), 9)).toThrow('outbox record 9');
  });

  it('takes no key that its length could not say', () => {
    expect(() => new OutboxRecordBuilder().addKey('anomaly', new Uint8Array(256))).toThrow(RangeError);
  });
});

describe('the text of a place', () => {
  const tagged = { sequence: fc.nat(2 ** 40), tag: fc.nat(2 ** 32 - 1) };
  const place: fc.Arbitrary<EffectPlace> = fc.oneof(
    fc.record({ kind: fc.constant('outbox' as const), offset: fc.nat(1e6), early: fc.option(fc.record({ process: fc.constantFrom('mk0abc12', '0'), number: fc.nat(2 ** 40) })), ...tagged }),
    fc.record({ kind: fc.constant('scan' as const), table: fc.constantFrom(...SCAN_TABLES), key: fc.uint8Array({ maxLength: 80 }), ...tagged }),
  );

  it('says all of it in 200 characters, under its own generation alone', () => {
    fc.assert(
      fc.property(place, (place) => {
        const text = placeText('mk0abc12-12-16', place);
        expect(text.length).toBeLessThanOrEqual(200);
        const found = parsePlace('mk0abc12-12-16', text)!;
        expect(found.kind === 'scan' ? { ...found, key: new Uint8Array(found.key) } : found).toEqual(place);
        expect(parsePlace('mk0abc12-12-15', text)).toBeNull();
      }),
    );
  });

  it.each(['', 'o:1:0:00000000', 'gx:o:1:0', 'gx:o:-1:0:00000000', 'gx:s:q:1:00000000', 'gx:o:1:0:00000000:', 'gx:s:w!!:1:00000000'])('is not %j', (text) => {
    expect(parsePlace('x', text)).toBeNull();
  });
});
