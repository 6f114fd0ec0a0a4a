import { describe, expect, test } from 'vitest';
import { partsOfReadings, readTrace, traceHeaders } from '../../src/actors/kafka-log/message-trace.ts';
import type { TracedPart } from '../../src/actors/shard/protocol.ts';
import { READINGS_PER_REQUEST_MAX } from '../../src/model/reading.ts';
import { LINKS_MAX } from '../../src/runtime/tracing.ts';
import { traceparentOf } from '../support/recorded-tracing.ts';

const ONE = traceparentOf(1);
const TWO = traceparentOf(2, 'ab'.repeat(16));
const whole = (traceparent: string) => ({ traceparent, parts: [{ traceparent, from: 0, count: READINGS_PER_REQUEST_MAX }] });
const read = (headers: Record<string, string>) => readTrace(headers.traceparent, headers['seg-traces'] ?? null);

describe('the traces of a message', () => {
  test('are one header where all of it is of one request', () => {
    const headers = traceHeaders([{ traceparent: ONE, from: 0, count: 3 }], 3);
    expect(headers).toEqual({ traceparent: ONE });
    expect(read(headers)).toEqual(whole(ONE));
  });

  test('are two headers where it is of several, or in part of none', () => {
    const parts = [{ traceparent: ONE, from: 2, count: 3 }, { traceparent: TWO, from: 7, count: 1 }];
    const headers = traceHeaders(parts, 8);
    expect(headers).toEqual({ traceparent: ONE, 'seg-traces': `2 3,${TWO} 7 1` });
    expect(read(headers)).toEqual({ traceparent: ONE, parts });
    expect(read(traceHeaders([parts[0]], 8))).toEqual({ traceparent: ONE, parts: [parts[0]] });
  });

  test('are as many as a span names', () => {
    const parts: TracedPart[] = Array.from({ length: LINKS_MAX }, (_, i) => ({ traceparent: traceparentOf(i + 1), from: READINGS_PER_REQUEST_MAX - LINKS_MAX + i, count: 1 }));
    expect(read(traceHeaders(parts, READINGS_PER_REQUEST_MAX))).toEqual({ traceparent: ONE, parts });
  });

  test('that another producer names are continued if they are sampled, whatever their version says besides', () => {
    expect(readTrace(ONE, null)).toEqual(whole(ONE));
    expect(readTrace(`01${ONE.slice(2)}-more`, null)).toEqual(whole(ONE));
    expect(readTrace(ONE.replace(/01$/, '03'), null)).toEqual(whole(ONE));
    expect(readTrace(ONE.replace(/01$/, '00'), null)).toBeNull();
  });

  test.each(['', 'x', ONE.toUpperCase(), ` ${ONE}`, `${ONE}-more`, `${ONE}\n`, `ff${ONE.slice(2)}`, ONE.replace(/^00-.{32}/, `00-${'0'.repeat(32)}`), ONE.slice(1), `${ONE},${TWO}`])('are none by %j', (traceparent) => {
    expect(readTrace(traceparent, null)).toBeNull();
    expect(readTrace(traceparent, `0 1,${TWO} 1 1`)).toBeNull();
  });

  test.each([
    ['of another form', 'x'],
    ['empty', ''],
    ['with an end that is none', '0 1,'],
    ['without a trace for the second', '0 1,1 1'],
    ['with another trace for the first', `${TWO} 0 1`],
    ['with a trace that is not sampled', `0 1,${TWO.replace(/01$/, '00')} 1 1`],
    ['with a trace that is none', `0 1,${TWO.toUpperCase()} 1 1`],
    ['of nothing', '0 0'],
    ['with a negative place', '-1 2'],
    ['with a broken number', '0 1.5'],
    ['with an enormous number', '0 999999999999'],
    ['out of order', `5 1,${TWO} 0 1`],
    ['of the same readings twice', `0 3,${TWO} 2 2`],
    ['of more than a span names', ['0 1', ...Array.from({ length: LINKS_MAX }, (_, i) => `${TWO} ${i + 1} 1`)].join(',')],
    ['longer than it can be', `0 1${' '.repeat(1_000_000)}`],
  ])('are the message\'s own alone where the header with the parts is %s', (_, traces) => {
    expect(readTrace(ONE, traces)).toEqual(whole(ONE));
  });
});

describe('parts of a message', () => {
  const parts = [{ traceparent: ONE, from: 1, count: 3 }, { traceparent: TWO, from: 4, count: 4 }];

  test('are those of its readings where none was rejected, and no longer than these', () => {
    expect(partsOfReadings(parts, [], 8)).toEqual(parts);
    expect(partsOfReadings(parts, [], 5)).toEqual([parts[0], { traceparent: TWO, from: 4, count: 1 }]);
    expect(partsOfReadings(parts, [], 2)).toEqual([{ traceparent: ONE, from: 1, count: 1 }, { traceparent: TWO, from: 2, count: 0 }]);
  });

  test('leave out what was rejected, before them and in them', () => {
    const rejected = [0, 2, 3, 7].map((index) => ({ index }));
    expect(partsOfReadings(parts, rejected, 4)).toEqual([{ traceparent: ONE, from: 0, count: 1 }, { traceparent: TWO, from: 1, count: 3 }]);
  });
});
