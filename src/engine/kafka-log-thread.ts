import { readFileSync, writeFileSync } from 'node:fs';
import { GroupMember } from '../actors/kafka-log/kafka/group-member.ts';
import { LogAppender } from '../actors/kafka-log/kafka/log-appender.ts';
import { LogCluster } from '../actors/kafka-log/kafka/log-cluster.ts';
import { LogOffsets } from '../actors/kafka-log/kafka/log-offsets.ts';
import { LogReader } from '../actors/kafka-log/kafka/log-reader.ts';
import type { LogTopicNames, LogTopics } from '../actors/kafka-log/kafka/log-topics.ts';
import { StateWriter } from '../actors/kafka-log/kafka/state-writer.ts';
import { LogService, type LogAnswer, type LogQuestion } from '../actors/kafka-log/log-channel.ts';
import { APPEND_PORT, type AppendLogReply, type AppendLogRequest, type ClusterMap } from '../actors/kafka-log/protocol.ts';
import type { KafkaAccess } from '../actors/sinks/kafka/kafka-connection.ts';
import { MailboxMetrics } from '../runtime/mailbox-metrics.ts';
import { Responder } from '../runtime/request-channel.ts';
import { runThread } from '../runtime/thread-main.ts';
import { portTransport } from '../runtime/transport.ts';
import { PARTITIONS_PORT, type ClusterEvent } from './cluster-ports.ts';
import type { KafkaLogThreadSnapshot } from './engine-metrics.ts';

/** A worker thread that talks to Kafka for the whole engine: the log, the state beside it, and the group of nodes. It answers no HTTP and folds nothing. */

export interface KafkaLogThreadOptions {
  access: KafkaAccess;
  names: LogTopicNames;
  topics: LogTopics;
  groupId: string;
  nodeId: string;
  /** File for the name that this node has in the group. */
  memberFile: string;
  /** Messages of ingest threads and partitions that may wait, bytes. */
  queuedBytesMax: number;
  /** Time for a message to be in the log, ms. */
  appendDeadlineMs: number;
  /** Questions of one thread, and appends of one, that may be unanswered. */
  questionsMax: number;
  /** Whether the threads that fold partitions trace. */
  isTraced: boolean;
}

export interface KafkaLogThreadControl {
  /** Joins the group of nodes under the address of this node's gateway. Once. */
  join(url: string): void;
}

const NOTES_MS = 5_000;

runThread<KafkaLogThreadControl>(async (context) => {
  const options = context.options as KafkaLogThreadOptions;
  const { clock, timers, log } = context;
  const { access, names, topics, nodeId, groupId } = options;
  const cluster = new LogCluster(access, [names.log, names.state], log);
  const joining = new LogCluster(access, [names.log], log);
  const { requestTimeoutMs } = access;
  const reader = new LogReader(cluster, names.log, options.isTraced);
  const appender = new LogAppender({ topic: names.log, batchBytesMax: topics.logBatchBytesMax, queuedBytesMax: options.queuedBytesMax, deadlineMs: options.appendDeadlineMs, requestTimeoutMs }, cluster);
  const writer = new StateWriter({ topic: names.state, idPrefix: `seg-state-${names.state}-`, batchBytesMax: topics.stateBatchBytesMax, requestTimeoutMs }, cluster);
  const mailboxes = { partitions: new MailboxMetrics(), append: new MailboxMetrics() };
  let url = '';
  let main: Responder<never, never, never, ClusterEvent> | null = null;
  let newest: ClusterMap | null = null;

  const member: GroupMember = new GroupMember({ groupId, topic: names.log, partitionCount: topics.partitionCount, nodeId, url: () => url }, { cluster, joining }, {
    log,
    owned: () => service.owned(),
    onAssignment(assignment, generation) {
      newest = { generation, self: nodeId, ...assignment };
      log.info({ generation, nodes: assignment.nodes.length, partitions: assignment.owners.filter((owner) => owner === nodeId).length }, 'partitions are spread over the nodes');
      main?.sendEvent({ kind: 'map', map: newest });
    },
    onJoining: () => main?.sendEvent({ kind: 'joining' }),
    onAlive(sentAtMs) {
      main?.sendEvent({ kind: 'alive', sentAtMs: clock.sharedMonotonic() - (performance.now() - sentAtMs) });
    },
    onFailure: (error) => context.fail(error),
    memory: memberMemory(options.memberFile),
  });
  const service: LogService = new LogService({ reader, appender, writer, offsets: new LogOffsets(cluster, names.log), member });
  const notes = timers.every(NOTES_MS, () => void service.writeNotes());

  context.onPort((purpose, port) => {
    const transport = portTransport(port);
    const channel = { name: context.name, mailboxMax: options.questionsMax, epoch: context.epoch, onFailure: (error: unknown) => context.fail(error) };
    if (purpose === APPEND_PORT) {
      new Responder<AppendLogRequest, AppendLogReply>(transport, (request, reply) => appender.append(request, reply), channel, { clock, metrics: mailboxes.append });
    } else if (purpose === PARTITIONS_PORT) {
      new Responder<LogQuestion, LogAnswer>(transport, (question, reply) => service.answer(question, reply), channel, { clock, metrics: mailboxes.partitions });
    } else {
      main = new Responder<never, never, never, ClusterEvent>(transport, () => {}, channel, { clock });
      if (newest !== null) main?.sendEvent({ kind: 'map', map: newest });
    }
  });

  return {
    control: {
      join(address) {
        url = address;
        member.start();
      },
    },
    async stop() {
      notes.cancel();
      await service.writeNotes();
      await member.leave();
      joining.cut();
      cluster.cut();
    },
    async metrics(): Promise<KafkaLogThreadSnapshot> {
      return {
        kind: 'kafkaLog',
        thread: context.name,
        epoch: context.epoch,
        stats: null,
        mailboxes: { [`${context.name}.partitions`]: mailboxes.partitions.snapshot(), [`${context.name}.append`]: mailboxes.append.snapshot() },
        queuedBytes: appender.queuedBytes,
        appended: { ...appender.counts },
        rebalances: member.joins,
        partitionsOwned: service.owned().length,
      };
    },
  };
});

/** A member's name is remembered for a quick restart alone: without the file the group waits for the old name to time out. */
function memberMemory(file: string): { read(): string | null; write(memberId: string): void } {
  return {
    read() {
      try {
        return readFileSync(file, 'utf8').trim() || null;
      } catch {
        return null;
      }
    },
    write(memberId) {
      try {
        writeFileSync(file, memberId);
      } catch {
        // A full disk does not keep anybody from joining.
      }
    },
  };
}
