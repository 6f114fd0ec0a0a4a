import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { READING_FLAG } from '../../src/model/reading.ts';
import { isReadingBatch, openReadingBatch, ReadingBatchBuilder, receivedAtOfSealed, sealReadingBatch, type ReadingBatch, type RejectedReading } from '../../src/model/reading-batch.ts';
import { decoded, packReadings, type TestReading } from '../support/packed-readings.ts';

const id = fc.stringMatching(/^[A-Za-z0-9._:-]{1,64}$/);
const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const reading: fc.Arbitrary<TestReading> = fc.record(
  {
    meterId: id,
    region: fc.oneof(fc.constantFrom('north', 'south'), id),
    timestamp: fc.integer({ min: 946_684_800_000, max: 4e12 }),
    powerKw: number,
    energyKwh: number,
    voltage: number,
    seq: fc.nat(),
    status: fc.constantFrom('OK' as const, 'ERROR' as const),
    readingId: fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 0xffffffff })),
  },
  { requiredKeys: ['meterId', 'region', 'timestamp', 'powerKw'] },
);
const rejected: fc.Arbitrary<RejectedReading> = fc.record({ code: fc.constant('not_finite' as const), message: fc.string(), index: fc.nat(), raw: fc.string({ unit: 'binary', maxLength: 600 }) });

function open(buffer: ArrayBuffer): ReadingBatch {
  return openReadingBatch(buffer, 0, buffer.byteLength);
}

/** The batch's readings as they were before they were packed; absent fields are absent again. */
function unpacked(batch: ReadingBatch): TestReading[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const start = batch.heapStart + batch.idStart[i];
    const optional = (name: string, column: Float64Array | null) => (column === null || Number.isNaN(column[i]) ? {} : { [name]: column[i] });
    return {
      meterId: Buffer.from(batch.bytes.subarray(start, start + batch.idLength[i])).toString('latin1'),
      region: batch.regions[batch.region[i]],
      timestamp: batch.timestamp[i],
      powerKw: batch.powerKw[i],
      ...optional('energyKwh', batch.energyKwh),
      ...optional('voltage', batch.voltage),
      ...optional('seq', batch.seq),
      status: batch.flags[i] & READING_FLAG.error ? 'ERROR' : 'OK',
      ...(batch.flags[i] & READING_FLAG.readingId ? { readingId: [batch.readingIdLow![i], batch.readingIdHigh![i]] as const } : {}),
    };
  });
}

const withStatus = (readings: readonly TestReading[]): TestReading[] => readings.map((one) => ({ ...one, status: one.status ?? 'OK' }));

describe('a batch of readings', () => {
  it('packs the same bytes into a longer buffer that held something else', () => {
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 20 }), fc.array(rejected, { maxLength: 2 }), fc.nat({ max: 100 }), (readings, letters, more) => {
        const builders = [new ReadingBatchBuilder(1), new ReadingBatchBuilder(1)];
        for (const builder of builders) {
          for (const one of readings) builder.append(decoded(one));
          for (const letter of letters) builder.appendRejected(letter);
        }
        const own = builders[0].pack();
        const used = builders[1].pack((bytes) => new Uint8Array(bytes + more).fill(0xa5).buffer);
        expect([used.bytes, own.bytes]).toEqual([own.buffer.byteLength, own.buffer.byteLength]);
        expect(Buffer.from(used.buffer, 0, used.bytes).equals(Buffer.from(own.buffer))).toBe(true);
        expect(unpacked(openReadingBatch(used.buffer, 0, used.bytes))).toEqual(withStatus(readings));
      }),
    );
  });

  it('gives back what was put in, and leaves the builder empty', () => {
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 40 }), fc.array(rejected, { maxLength: 3 }), (readings, letters) => {
        const builder = new ReadingBatchBuilder(1);
        for (const one of readings) builder.append(decoded(one));
        for (const letter of letters) builder.appendRejected(letter);
        const batch = open(builder.pack().buffer);
        expect(unpacked(batch)).toEqual(withStatus(readings));
        expect([batch.deadLetterCount, batch.deadLetters()]).toEqual([letters.length, letters]);
        expect([builder.isEmpty, open(builder.pack().buffer).count]).toEqual([true, 0]);
      }),
    );
  });

  it('has only the optional columns that a reading of it needs', () => {
    const plain = { meterId: 'm', region: 'r', timestamp: 1e12, powerKw: 1 };
    const without = open(packReadings([plain]));
    expect([without.energyKwh, without.voltage, without.current, without.seq, without.readingIdLow]).toEqual([null, null, null, null, null]);
    const withVoltage = open(packReadings([plain, { ...plain, voltage: 230 }]));
    expect([withVoltage.energyKwh, [...withVoltage.voltage!]]).toEqual([null, [NaN, 230]]);
  });

  it('forgets everything after a mark, as if it had never been appended', () => {
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 10 }), fc.array(reading, { minLength: 1, maxLength: 10 }), fc.array(reading, { maxLength: 10 }), (before, undone, after) => {
        const builder = new ReadingBatchBuilder(2);
        for (const one of before) builder.append(decoded(one));
        const mark = builder.mark();
        for (const one of undone) builder.append(decoded(one));
        builder.appendRejected({ code: 'conflict', message: '', index: 0, raw: '' });
        builder.rollback(mark);
        for (const one of after) builder.append(decoded(one));
        expect(Buffer.compare(Buffer.from(builder.pack().buffer), Buffer.from(packReadings([...before, ...after])))).toBe(0);
      }),
    );
  });

  it('shows when it was taken in once it is sealed, and any bit that changed since', () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 1, maxLength: 5 }), fc.nat(), fc.nat(7), (readings, place, bit) => {
        const bytes = new Uint8Array(packReadings(readings));
        sealReadingBatch(bytes, 1_234_567_890_123);
        expect([isReadingBatch(bytes), receivedAtOfSealed(bytes)]).toEqual([true, 1_234_567_890_123]);
        bytes[place % bytes.length] ^= 1 << bit;
        expect(receivedAtOfSealed(bytes)).toBeNull();
      }),
    );
  });

  it('is not opened when it is cut short, of another kind or of another version', () => {
    const whole = new Uint8Array(packReadings([{ meterId: 'm', region: 'r', timestamp: 1e12, powerKw: 1 }]));
    const changed = (at: number, value: number) => Uint8Array.from(whole, (byte, i) => (i === at ? value : byte)).buffer;
    expect(() => open(whole.slice(0, -1).buffer)).toThrow('another length');
    expect(() => open(whole.slice(0, 20).buffer)).toThrow('shorter than its header');
    expect(() => open(changed(0, 0))).toThrow('wrong magic');
    expect(() => open(changed(4, 99))).toThrow('version 99');
  });
});
