import { describe, expect, it } from 'vitest';
import { createBodyDecoder } from '../../src/actors/ingest/body-decoder.ts';
import { BrokenReadings } from '../../src/cli/simulate/broken-readings.ts';
import { encodeBody } from '../../src/cli/wire-reading.ts';

const NOW_MS = Date.UTC(2026, 0, 14);
const good = { readingId: 'm-1', meterId: 'm', region: 'r', timestamp: NOW_MS, powerKw: 1, voltage: 230 };
/** Found by the shard, so the decoder lets them pass. */
const SHARD_CODES = ['conflict', 'too_late'];

describe.each(['json', 'ndjson', 'msgpack'] as const)('broken readings in %s', (format) => {
  it('are each rejected by the engine with the code they were made for, between good ones that pass', () => {
    const broken = new BrokenReadings(format);
    const decode = createBodyDecoder();
    const codes = new Set<string>();
    for (let turn = 0; turn < 40; turn++) {
      const { code, element } = broken.next(good, good);
      codes.add(code);
      const rejected: [number, string][] = [];
      expect(decode(encodeBody([good, element, good], format), format, NOW_MS, { accept: () => undefined, reject: (index, found) => void rejected.push([index, found]) })).toBeNull();
      expect(rejected).toEqual(SHARD_CODES.includes(code) ? [] : [[1, code]]);
    }
    expect(codes.size).toBe(format === 'ndjson' ? 15 : 14);
  });

  it('need an earlier reading of the meter where the fault lies in the history', () => {
    const broken = new BrokenReadings(format);
    const codes = Array.from({ length: 60 }, () => broken.next(good, null).code);
    for (const code of SHARD_CODES) expect(codes).not.toContain(code);
  });
});
