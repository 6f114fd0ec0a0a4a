import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { mutate, randomFrom } from '../oracle/body-mutations.ts';
import type { Format } from '../oracle/decoded-outcomes.ts';
import { difference } from '../oracle/decoded-outcomes.ts';
import { MSGPACK_BODIES } from '../oracle/odd-msgpack.ts';
import { JSON_BODIES, NDJSON_BODIES, NOW_MS } from '../oracle/odd-readings.ts';

/**
 * Holds the decoders against the oracle on arbitrary and damaged bodies for a while:
 * `node test/fuzz/decoder-fuzz.ts --seconds 60 --seed 1`. Exit code 1 and the smallest bodies found when they differ.
 */

const MUTANTS_PER_BODY = 30;
const BODIES_PER_ROUND = 100;
/** Findings kept before it gives up: more say nothing new. */
const FINDINGS_MAX = 10;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } } });
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (!(seconds > 0) || !Number.isInteger(seed)) {
  process.stderr.write('usage: node test/fuzz/decoder-fuzz.ts --seconds 60 --seed 1\n');
  process.exit(2);
}

const FORMATS: readonly (readonly [Format, fc.Arbitrary<Uint8Array>])[] = [
  ['json', JSON_BODIES],
  ['ndjson', NDJSON_BODIES],
  ['msgpack', MSGPACK_BODIES],
];
const random = randomFrom(seed);
const counts: Record<Format, number> = { json: 0, ndjson: 0, msgpack: 0 };
const findings: { format: Format; found: string; body: Uint8Array }[] = [];

function check(format: Format, body: Uint8Array): void {
  counts[format]++;
  const found = difference(format, body, NOW_MS);
  if (found !== null && findings.length < FINDINGS_MAX) findings.push({ format, found, body });
}

const endsAt = performance.now() + seconds * 1000;
for (let round = 0; performance.now() < endsAt && findings.length < FINDINGS_MAX; round++) {
  for (const [format, bodies] of FORMATS) {
    for (const body of fc.sample(bodies, { numRuns: BODIES_PER_ROUND, seed: seed * 1_000_003 + round })) {
      check(format, body);
      for (let k = 0; k < MUTANTS_PER_BODY; k++) check(format, mutate(body, random));
    }
  }
}
process.stdout.write(`seed ${seed}: ${counts.json} JSON, ${counts.ndjson} NDJSON, ${counts.msgpack} MessagePack bodies, ${findings.length} differences\n`);
findings.sort((a, b) => a.body.length - b.body.length);
for (const { format, found, body } of findings) {
  process.stdout.write(`${format}: ${found}\n  base64 ${Buffer.from(body).toString('base64')}\n  ${JSON.stringify(Buffer.from(body).toString('latin1')).slice(0, 400)}\n`);
}
if (findings.length > 0) process.exitCode = 1;
