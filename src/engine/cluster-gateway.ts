import type { ShardReport } from '../actors/shard/protocol.ts';
import type { ClusterStatus } from '../http/engine-port.ts';
import type { NodePort } from '../http/node-port.ts';
import type { Clock, Timers } from '../runtime/clock.ts';
import type { ClusterBoard } from './cluster-board.ts';
import type { AskShard } from './ask-shard.ts';
import { NodeClient } from './node-client.ts';
import { PartitionQuestions } from './partition-questions.ts';
import { RemoteReports } from './remote-reports.ts';
import { ReportLog } from './report-log.ts';

/** What this node's gateway has to do with the other nodes: it asks them, and answers them. */

export interface ClusterGatewayOptions {
  secret: string | null;
  /** Of a question to another node. */
  deadlineMs: number;
  /** Different for each start of each engine. */
  life: string;
}

export interface ClusterGatewayModules {
  board: ClusterBoard;
  clock: Clock;
  timers: Timers;
  /** A report of a partition that another node has. */
  onReport(report: ShardReport): void;
  /** As RemoteReportsModules says. */
  onGone(partition: number): void;
}

export class ClusterGateway {
  /** Puts a question to the owner of a partition, wherever it is. */
  readonly ask: AskShard;
  /** For the others. */
  readonly port: NodePort;
  private readonly board: ClusterBoard;
  private readonly client: NodeClient;
  private readonly reports: ReportLog;
  private readonly remote: RemoteReports;

  constructor(options: ClusterGatewayOptions, { board, clock, timers, onReport, onGone }: ClusterGatewayModules) {
    this.board = board;
    this.client = new NodeClient({ secret: options.secret, deadlineMs: options.deadlineMs });
    this.reports = new ReportLog(options.life);
    const questions = new PartitionQuestions({ view: board, local: board.ask, node: (url, asked) => this.client.ask(url, asked) });
    this.ask = (partition, query) => questions.ask(partition, query);
    this.port = { ask: (asked) => questions.answer(asked), reports: (since) => this.reports.since(since) };
    this.remote = new RemoteReports({ view: board, clock, timers, reports: (url, since) => this.client.reports(url, since), onReport, onGone });
  }

  /** Listens to the other nodes. */
  start(): void {
    this.remote.start();
  }

  stop(): void {
    this.remote.stop();
    this.client.close();
  }

  /** A partition of this node reports. */
  localReport(report: ShardReport): void {
    this.reports.take(report);
  }

  /** A partition is not this node's any more, or not up. */
  localDown(partition: number): void {
    this.reports.forget(partition);
  }

  /** `lagOf` tells how many offsets a partition of this node has yet to fold; null: not known. */
  status(lagOf: (partition: number) => number | null): ClusterStatus {
    const { generation, self, nodes, owners } = this.board.map();
    const { silent } = this.remote;
    return {
      nodeId: self,
      generation,
      inTouch: this.board.isAlive,
      nodes: nodes.map(({ nodeId, url }) => ({ nodeId, url, partitions: owners.filter((owner) => owner === nodeId).length, answers: !silent.has(nodeId) })),
      partitions: owners.map((owner, partition) => {
        if (owner !== self) return { partition, nodeId: owner, state: null, lagRecords: null };
        const state = this.board.stateOf(partition)?.state ?? 'taking';
        return { partition, nodeId: owner, state: state === 'released' ? 'taking' : state, lagRecords: lagOf(partition) };
      }),
    };
  }
}
