import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { mutate, randomFrom } from '../oracle/body-mutations.ts';
import type { Format } from '../oracle/decoded-outcomes.ts';
import { decode, difference } from '../oracle/decoded-outcomes.ts';
import { MSGPACK_BODIES } from '../oracle/odd-msgpack.ts';
import { JSON_BODIES, NDJSON_BODIES, NOW_MS } from '../oracle/odd-readings.ts';
import { expectJson } from '../oracle/reading-oracle.ts';

/** Mutated bodies per format; FUZZ_ROUNDS raises it. */
const FUZZ_ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 10_000);
const MUTANTS_PER_BODY = 20;
const SEED = 20260301;

const FORMATS: readonly (readonly [Format, fc.Arbitrary<Uint8Array>])[] = [
  ['json', JSON_BODIES],
  ['ndjson', NDJSON_BODIES],
  ['msgpack', MSGPACK_BODIES],
];

describe.each(FORMATS)('the %s decoder', (format, bodies) => {
  test('takes the same bodies as the oracle and sees the same values', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        expect(difference(format, body, NOW_MS)).toBeNull();
      }),
      { numRuns: 2000, seed: SEED },
    );
  });

  test(`agrees with the oracle on ${FUZZ_ROUNDS} damaged bodies`, () => {
    const random = randomFrom(SEED);
    let taken = 0;
    for (const body of fc.sample(bodies, { numRuns: Math.ceil(FUZZ_ROUNDS / MUTANTS_PER_BODY), seed: SEED })) {
      for (let k = 0; k < MUTANTS_PER_BODY; k++) {
        const mutant = mutate(body, random);
        const found = difference(format, mutant, NOW_MS);
        if (found !== null) expect.fail(`${found}\nbody ${JSON.stringify(Buffer.from(mutant).toString('latin1'))}`);
        if (decode(format, mutant, NOW_MS).unreadable === null) taken++;
      }
    }
    // Both sides of the fence are visited.
    expect(taken).toBeGreaterThan(FUZZ_ROUNDS / 50);
    expect(taken).toBeLessThan(FUZZ_ROUNDS * 0.98);
  }, 600_000);
});

test('what msgpackr packs decodes to what JSON.stringify writes', () => {
  const packr = new Packr({ useRecords: false });
  fc.assert(
    fc.property(JSON_BODIES, (body) => {
      if (!('elements' in expectJson(body, NOW_MS))) return;
      const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
      // Both roads start from the same value; Infinity and lone surrogates have no spelling in one or the other.
      const text = JSON.stringify(value);
      if (/\\ud[89a-f]/i.test(text)) return;
      const plain: unknown = JSON.parse(text);
      const packed = decode('msgpack', Uint8Array.from(packr.pack(plain)), NOW_MS);
      const spelled = decode('json', Buffer.from(text), NOW_MS);
      expect(packed.unreadable).toEqual(spelled.unreadable);
      expect(packed.sink.outcomes).toEqual(spelled.sink.outcomes);
    }),
    { numRuns: 2000, seed: SEED },
  );
});
