import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANOMALY_KINDS } from '../../src/model/anomaly.ts';
import { anomalyKey, anomalyKeyParts, deadLetterKey, meterAnomalyKey, pageKey, partKey, regionKey, timeKey, windowKey, windowKeyParts } from '../../src/actors/shard/store-keys.ts';

const u16 = fc.oneof(fc.nat(300), fc.nat(0xffff));
const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffffffff }));
const u48 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 48 - 1 }));
const kind = fc.nat(ANOMALY_KINDS.length - 1);
const meterId = fc.stringMatching(/^[A-Za-z0-9._:-]{1,6}$/);

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

/** Keys are in the order of what they are made of, field by field. */
function isOrdered<T extends (number | string)[]>(fields: fc.Arbitrary<T>, keyOf: (...fields: T) => Buffer): void {
  fc.assert(
    fc.property(fields, fields, fc.nat(5), (a, other, shared) => {
      // Sharing the first fields makes the later ones decide.
      const b = a.map((field, i) => (i < shared ? field : other[i])) as T;
      expect(Math.sign(Buffer.compare(keyOf(...a), keyOf(...b)))).toBe(compare(a, b));
    }),
  );
}

describe('keys of the store', () => {
  it('are ordered as the numbers they hold', () => {
    isOrdered(fc.tuple(u16, u32), pageKey);
    isOrdered(fc.tuple(u16, u32, fc.nat(1), u32, fc.nat(63)), windowKey);
    isOrdered(fc.tuple(u16, fc.nat(1), u32), partKey);
    isOrdered(fc.tuple(u16), regionKey);
    isOrdered(fc.tuple(u48, u48, u32), deadLetterKey);
    isOrdered(fc.tuple(u48), timeKey);
    isOrdered(fc.tuple(u48, kind, meterId), (startedAt, k, meter) => anomalyKey(startedAt, ANOMALY_KINDS[k], meter));
    isOrdered(fc.tuple(meterId, u48, kind), (meter, startedAt, k) => meterAnomalyKey(meter, startedAt, ANOMALY_KINDS[k]));
  });

  it('give back what they were made of', () => {
    fc.assert(
      fc.property(u16, u32, fc.nat(1), u32, fc.nat(63), (partition, page, granularity, windowNumber, rowInPage) => {
        expect(windowKeyParts(windowKey(partition, page, granularity, windowNumber, rowInPage))).toEqual({ windowNumber, rowInPage });
      }),
    );
    fc.assert(
      fc.property(u48, kind, meterId, (startedAt, k, meter) => {
        expect(anomalyKeyParts(anomalyKey(startedAt, ANOMALY_KINDS[k], meter))).toEqual({ startedAt, kind: ANOMALY_KINDS[k], meterId: meter });
      }),
    );
  });

  it('bound a range by time: everything from a moment on, nothing of the next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 2 }), u48, u32, kind, meterId, (at, sequence, position, k, meter) => {
        for (const key of [deadLetterKey(at, sequence, position), anomalyKey(at, ANOMALY_KINDS[k], meter)]) {
          expect(Buffer.compare(timeKey(at), key)).toBeLessThan(0);
          expect(Buffer.compare(key, timeKey(at + 1))).toBeLessThan(0);
        }
      }),
    );
  });

  it('take any time as a bound, however far out', () => {
    expect([timeKey(-5), timeKey(1.9), timeKey(Infinity)].map((key) => key.readUIntBE(0, 6))).toEqual([0, 1, 2 ** 48 - 1]);
  });
});
