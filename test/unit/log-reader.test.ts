import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Broker, RawMessage } from 'kafkajs/src/cluster/index.js';
import type { LogCluster } from '../../src/actors/kafka-log/kafka/log-cluster.ts';
import { LogReader } from '../../src/actors/kafka-log/kafka/log-reader.ts';
import { unpackMessages } from '../../src/actors/kafka-log/message-block.ts';
import { traceparentOf } from '../support/recorded-tracing.ts';

/** A batch of the log: some records, or none any more, which take these many bytes of an answer. */
interface Batch {
  records: number;
  /** Offsets at its end whose records are gone. */
  gone: number;
  bytes: number;
}

interface Request {
  maxBytes: number;
  topics: { partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[];
}

/**
 * A broker that answers as Kafka does: in the order of the request, whole batches as far as there is room, and one that is larger than that only for the first partition that has any. Of a batch
 * without records kafkajs tells nothing.
 */
function brokerOf(logs: readonly Batch[][]): Broker {
  const answerOf = (partition: number, fetchOffset: number, room: number, isFirst: boolean) => {
    const messages: RawMessage[] = [];
    let offset = 0;
    let used = 0;
    for (const { records, gone, bytes } of logs[partition]) {
      const lastOffsetDelta = records + gone - 1;
      if (offset + lastOffsetDelta >= fetchOffset) {
        if (used + bytes > room && !(isFirst && used === 0)) break;
        used += bytes;
        for (let i = 0; i < records; i++) messages.push({ offset: String(offset + i), timestamp: '5', key: null, value: Buffer.from(`${partition}/${offset + i}`), headers: {}, isControlRecord: false, batchContext: { firstOffset: String(offset), lastOffsetDelta } } as unknown as RawMessage);
      }
      offset += records + gone;
    }
    const end = logs[partition].reduce((sum, { records, gone }) => sum + records + gone, 0);
    return { used, answer: { partition, errorCode: 0, messages, abortedTransactions: [], lastStableOffset: String(end), highWatermark: String(end) } };
  };
  return {
    async fetch({ maxBytes, topics }: Request) {
      let room = maxBytes;
      let isFirst = true;
      const partitions = topics[0].partitions.map(({ partition, fetchOffset, maxBytes: share }) => {
        const { used, answer } = answerOf(partition, Number(fetchOffset), Math.min(room, share), isFirst);
        if (used > 0) isFirst = false;
        room -= used;
        return answer;
      });
      return { responses: [{ topicName: 'log', partitions }] };
    },
  } as unknown as Broker;
}

const MIB = 1024 * 1024;
const batch: fc.Arbitrary<Batch> = fc.record({ records: fc.integer({ min: 0, max: 3 }), gone: fc.constantFrom(0, 0, 0, 2), bytes: fc.constantFrom(100, MIB / 3, MIB - 1, 3 * MIB) }).filter(({ records, gone }) => records + gone > 0);

it('what many partitions have comes whole and in order, however little room an answer has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(batch, { maxLength: 12 }), { minLength: 1, maxLength: 14 }), async (logs) => {
      const broker = brokerOf(logs);
      const cluster = { persist: <T>(fn: () => T): T => fn(), leaders: async () => new Map(logs.map((_, partition) => [partition, 1])), broker: async () => broker } as unknown as LogCluster;
      const reader = new LogReader(cluster, 'log');
      const read = async (partition: number): Promise<number[]> => {
        const offsets: number[] = [];
        const end = logs[partition].reduce((sum, { records, gone }) => sum + records + gone, 0);
        for (let next = 0; next < end; ) {
          const piece = await reader.read(partition, next);
          for (const { offset } of unpackMessages(piece.block)) offsets.push(offset);
          next = piece.next;
        }
        return offsets;
      };
      const found = await Promise.all(logs.map((_, partition) => read(partition)));
      const expected = logs.map((batches) => {
        let offset = 0;
        return batches.flatMap(({ records, gone }) => {
          const own = Array.from({ length: records }, (_, i) => offset + i);
          offset += records + gone;
          return own;
        });
      });
      expect(found).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

describe('traces that messages carry', () => {
  const TRACEPARENT = traceparentOf(1);
  const other = traceparentOf(2);
  const headersOf: Record<string, string | string[]>[] = [
    {},
    { traceparent: TRACEPARENT },
    { traceparent: 'x'.repeat(1_000_000) },
    { traceparent: TRACEPARENT, 'seg-traces': `1 2,${other} 5 1` },
    // Of one that is there several times the last counts, as for OpenTelemetry.
    { traceparent: [other, TRACEPARENT] },
    { traceparent: TRACEPARENT.replace(/01$/, '00') },
    { 'seg-traces': '0 1' },
  ];

  function readerOf(isTraced: boolean): LogReader {
    const buffers = (value: string | string[]) => (Array.isArray(value) ? value.map((text) => Buffer.from(text)) : Buffer.from(value));
    const messages = headersOf.map((headers, offset) => ({
      ...{ offset: String(offset), timestamp: '5', key: null, value: Buffer.from('{}'), isControlRecord: false, batchContext: { firstOffset: '0', lastOffsetDelta: headersOf.length - 1 } },
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, buffers(value)])),
    }));
    const broker = { fetch: async () => ({ responses: [{ partitions: [{ partition: 0, messages, abortedTransactions: [], lastStableOffset: String(messages.length) }] }] }) };
    return new LogReader({ persist: <T>(fn: () => T): T => fn(), leaders: async () => new Map([[0, 1]]), broker: async () => broker } as unknown as LogCluster, 'log', isTraced);
  }

  it('are given beside them, by offset, without those that are none', async () => {
    const { block, traces } = await readerOf(true).read(0, 0);
    expect([...unpackMessages(block)]).toHaveLength(headersOf.length);
    expect([...traces!].map(([offset, { traceparent }]) => [offset, traceparent])).toEqual([1, 3, 4].map((offset) => [offset, TRACEPARENT]));
    expect(traces!.get(3)!.parts).toEqual([{ traceparent: TRACEPARENT, from: 1, count: 2 }, { traceparent: other, from: 5, count: 1 }]);
  });

  it('are not looked at where nothing is traced', async () => {
    expect(await readerOf(false).read(0, 0)).not.toHaveProperty('traces');
  });
});
