import { describe, expect, it } from 'vitest';
import type { Broker, ProducedMessage } from 'kafkajs/src/cluster/index.js';
import { LogAppender } from '../../src/actors/kafka-log/kafka/log-appender.ts';
import type { LogCluster } from '../../src/actors/kafka-log/kafka/log-cluster.ts';
import type { LogAppend } from '../../src/actors/kafka-log/protocol.ts';
import type { OperationalError } from '../../src/runtime/errors.ts';
import { traceparentOf } from '../support/recorded-tracing.ts';

function setUp(batchBytesMax = 1_000_000) {
  const produced: ProducedMessage[] = [];
  const broker = {
    initProducerId: async () => ({ producerId: '1', producerEpoch: 0 }),
    async produce({ topicData }: Parameters<Broker['produce']>[0]) {
      produced.push(...topicData[0].partitions[0].messages);
    },
  };
  const cluster = { persist: <T>(fn: () => T): T => fn(), leaderOf: async () => broker, controller: async () => broker } as unknown as LogCluster;
  const appender = new LogAppender({ topic: 'log', batchBytesMax, queuedBytesMax: 1_000_000, deadlineMs: 10_000, requestTimeoutMs: 10_000 }, cluster);
  const append = (...messages: LogAppend[]) => new Promise<OperationalError | null>((resolve) => appender.append({ messages }, { ok: () => resolve(null), fail: resolve }));
  return { append, produced };
}

const message: LogAppend = { partition: 0, key: null, value: Buffer.from('[1]'), kind: 'reading', contentType: 'json', judgedAtMs: 5 };
const traceHeaders = { traceparent: traceparentOf(1), 'seg-traces': '0 1' };

describe('a message of the log', () => {
  it('carries the headers of its traces besides its own, and none without them', async () => {
    const { append, produced } = setUp();
    expect(await append(message, { ...message, traceHeaders })).toBeNull();
    const own = { 'content-type': 'application/json', 'seg-judged-at': '5' };
    expect(produced.map(({ headers }) => headers)).toEqual([own, { ...own, ...traceHeaders }]);
    expect(Object.keys(produced[0].headers!)).toEqual(['content-type', 'seg-judged-at']);
  });

  it('is as large as with all its headers', async () => {
    const { append } = setUp(300);
    expect(await append(message)).toBeNull();
    expect(await append({ ...message, traceHeaders })).toMatchObject({ code: 'too_large' });
  });
});
