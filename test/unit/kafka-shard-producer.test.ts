import type { Partitioners, Producer, ProducerBatch, ProducerConfig, RecordMetadata } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import type { Message } from '../../src/actors/sinks/kafka/batch-messages.ts';
import type { KafkaConnection } from '../../src/actors/sinks/kafka/kafka-connection.ts';
import { kafkaSettings } from '../../src/actors/sinks/kafka/kafka-options.ts';
import { ShardProducer } from '../../src/actors/sinks/kafka/shard-producer.ts';
import { partitionOf } from '../../src/model/ids.ts';

/** What kafkajs does in a cluster that changes, which a real one does too seldom for a test. */

interface Cluster {
  /** Partitions of the topic as each attempt within one `send` finds them. */
  partitionCounts: number[];
  /** Gets no answer although `send` resolves. */
  unanswered?: number;
}

/** A producer whose kafkajs meets such a cluster. */
function producerIn(cluster: Cluster): ShardProducer {
  const producer = ({ createPartitioner }: ProducerConfig): Pick<Producer, 'sendBatch'> => {
    const choose = createPartitioner!();
    return { sendBatch: async (batch) => sendBatch(batch, choose, cluster) };
  };
  return new ShardProducer(kafkaSettings({ brokers: ['127.0.0.1:9'], engineId: 'engine-1' }), { client: { producer } } as unknown as KafkaConnection);
}

function sendBatch({ topicMessages }: ProducerBatch, choose: ReturnType<typeof Partitioners.DefaultPartitioner>, { partitionCounts, unanswered }: Cluster): RecordMetadata[] {
  const [{ topic, messages }] = topicMessages!;
  let chosen = new Set<number>();
  for (const count of partitionCounts) {
    const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 1, replicas: [1], isr: [1] }));
    chosen = new Set(messages.map((message) => choose({ topic, partitionMetadata, message })));
  }
  chosen.delete(unanswered ?? -1);
  return [...chosen].map((partition) => ({ topicName: topic, partition, errorCode: 0 }));
}

describe('the producer of a shard', () => {
  const messages: Message[] = Array.from({ length: 50 }, (_, i) => ({ key: `meter-${i}`, value: '{}', headers: {} }));

  test('takes a send for done when each partition that got messages has answered', async () => {
    await producerIn({ partitionCounts: [3] }).send('topic', messages);
    const elsewhere = messages.filter(({ key }) => partitionOf(key, 3) !== 1);
    await producerIn({ partitionCounts: [3], unanswered: 1 }).send('topic', elsewhere);
  });

  test('does not when kafkajs left out a partition', async () => {
    const refused = { code: 'unavailable', retryable: true, message: expect.stringContaining('partitions 1 of topic were not written') };
    await expect(producerIn({ partitionCounts: [3], unanswered: 1 }).send('topic', messages)).rejects.toMatchObject(refused);
  });

  test('does not when the topic got more partitions between two attempts, as keys have moved', async () => {
    const refused = { code: 'unavailable', retryable: true, message: expect.stringContaining('topic got more partitions') };
    // Of one message, so that no partition goes without an answer.
    const [message] = messages.filter(({ key }) => partitionOf(key, 3) === partitionOf(key, 6));
    await expect(producerIn({ partitionCounts: [3, 6] }).send('topic', [message])).rejects.toMatchObject(refused);
  });

  test('begins each send anew', async () => {
    const cluster = { partitionCounts: [6] };
    const producer = producerIn(cluster);
    await producer.send('topic', messages);
    cluster.partitionCounts = [3];
    await producer.send('topic', messages);
  });
});
