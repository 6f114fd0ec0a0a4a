import { describe, expect, test } from 'vitest';
import { BatchManifest } from '../../src/actors/ingest/batch-manifest.ts';
import { RequestTally } from '../../src/actors/ingest/request-tally.ts';
import { LINKS_MAX, type Span } from '../../src/runtime/tracing.ts';

const span = (name: string): Span => ({ traceparent: name, startMs: 0, child: () => span(name), end() {} });
const tally = (trace: Span | null): RequestTally => new RequestTally(0, () => {}, trace);

function manifestOf(parts: readonly (readonly [tally: RequestTally, readings: number])[]): BatchManifest {
  const manifest = new BatchManifest();
  for (const [owner, readings] of parts) {
    manifest.openPart(owner);
    for (let i = 0; i < readings; i++) manifest.addReading(i);
  }
  return manifest;
}

describe('the traces of a batch', () => {
  test('are none where no request is traced', () => {
    expect(manifestOf([[tally(null), 2], [tally(null), 1]]).traced()).toBeNull();
  });

  test('say which readings came with which request', () => {
    const traced = manifestOf([[tally(null), 3], [tally(span('one')), 2], [tally(null), 1], [tally(span('two')), 4]]).traced()!;
    expect(traced.first.traceparent).toBe('one');
    expect(traced.parts).toEqual([{ traceparent: 'one', from: 3, count: 2 }, { traceparent: 'two', from: 6, count: 4 }]);
  });

  test('are none when the request that is traced was taken out again', () => {
    const manifest = manifestOf([[tally(null), 3], [tally(span('one')), 2]]);
    manifest.truncate(1);
    expect(manifest.traced()).toBeNull();
  });

  test('are no more than a span names', () => {
    const parts = manifestOf(Array.from({ length: LINKS_MAX + 5 }, (_, i) => [tally(span(`${i}`)), 1] as const)).traced()!.parts;
    expect(parts.map(({ from }) => from)).toEqual(Array.from({ length: LINKS_MAX }, (_, i) => i));
  });
});
