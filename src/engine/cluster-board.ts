import { MessageChannel } from 'node:worker_threads';
import type { PartitionState } from '../actors/kafka-log/partition-host.ts';
import { APPEND_PORT, type ClusterMap, type ClusterView } from '../actors/kafka-log/protocol.ts';
import type { SharedClock, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { Requester, Responder } from '../runtime/request-channel.ts';
import { portTransport } from '../runtime/transport.ts';
import { CLUSTER_PORT, HOST_PORT, LOG_PORT, PARTITIONS_PORT, type ClusterEvent, type OwnPartitions, type PartitionNews } from './cluster-ports.ts';
import type { ConnectableThread, ShardLinks } from './shard-links.ts';

/**
 * What the main thread knows of the nodes and of this node's partitions, and the ports between the threads of an engine whose log is in Kafka: the one that talks to Kafka, those that fold
 * partitions, and the ingest threads.
 */

export interface ClusterBoardOptions {
  /** nodeId of this node. */
  self: string;
  partitionCount: number;
  /** Threads that fold; partition p is on thread p modulo this. */
  threads: number;
  /** Without a heartbeat for this long others may have this node's partitions. */
  sessionMs: number;
}

export interface ClusterBoardModules {
  clock: SharedClock;
  timers: Timers;
  log: Log;
  links: ShardLinks;
  /** The partition's meters are not known of here any more. */
  onPartitionDown(partition: number): void;
}

interface FoldThread {
  thread: ConnectableThread;
  host: Responder<never, never, PartitionNews, OwnPartitions>;
}

export class ClusterBoard implements ClusterView {
  private readonly options: ClusterBoardOptions;
  private readonly modules: ClusterBoardModules;
  private readonly folds = new Map<number, FoldThread>();
  private readonly ingests = new Map<string, ConnectableThread>();
  private readonly states = new Map<number, PartitionState>();
  private readonly listeners = new Set<() => void>();
  private logThread: { thread: ConnectableThread; events: Requester<never, never, ClusterEvent> } | null = null;
  private current: ClusterMap;
  /** On the clock that threads share. */
  private aliveAtMs = -Infinity;
  private isRejoining = true;

  constructor(options: ClusterBoardOptions, modules: ClusterBoardModules) {
    this.options = options;
    this.modules = modules;
    this.current = { generation: -1, self: options.self, nodes: [], owners: new Array<null>(options.partitionCount).fill(null) };
  }

  // ClusterView ------------------------------------------------------------------------------------------------------------

  map(): ClusterMap {
    return this.current;
  }

  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  ready(partition: number): boolean {
    return this.isAlive && this.states.get(partition)?.state === 'ready';
  }

  get isJoining(): boolean {
    return this.isRejoining;
  }

  /** The group has heard of this node lately: what it has is nobody else's. */
  get isAlive(): boolean {
    return this.modules.clock.sharedMonotonic() - this.aliveAtMs < this.options.sessionMs;
  }

  stateOf(partition: number): PartitionState | null {
    return this.states.get(partition) ?? null;
  }

  /** Partitions that this node is to have. */
  owned(): number[] {
    return this.current.owners.flatMap((owner, partition) => (owner === this.options.self ? [partition] : []));
  }

  /** Those of them that nobody can be told of yet; refused ones are not waited for. */
  pending(): number[] {
    return this.owned().filter((partition) => !['ready', 'refused'].includes(this.states.get(partition)?.state ?? ''));
  }

  /** Resolves once the group has told this node what it has and all of that is ready, or refused with a reason. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.current.generation < 0 || this.pending().length > 0) return;
        this.listeners.delete(look);
        resolve();
      };
      this.listeners.add(look);
      look();
    });
  }

  /** Rejects with `unavailable` (retryable) unless the partition is ready here. */
  readonly ask: ShardLinks['ask'] = (partition, query) => {
    if (!this.ready(partition)) return Promise.reject(new OperationalError('unavailable', `partition ${partition} is moving; try again shortly`, { retryable: true }));
    return this.modules.links.ask(partition, query);
  };

  // Threads ----------------------------------------------------------------------------------------------------------------

  /** The thread that talks to Kafka is ready. */
  logUp(thread: ConnectableThread): void {
    this.logDown();
    const { clock, timers } = this.modules;
    const { port1, port2 } = new MessageChannel();
    const events = new Requester<never, never, ClusterEvent>(portTransport(port1), { name: 'kafka-log', creditsMax: 1, bytesInFlightMax: 0, epoch: thread.epoch }, { clock, timers });
    events.onEvent((event) => this.hear(event));
    this.logThread = { thread, events };
    thread.connect(CLUSTER_PORT, port2, null);
    for (const { thread: fold } of this.folds.values()) connect(fold, LOG_PORT, thread, PARTITIONS_PORT);
    for (const ingest of this.ingests.values()) connect(ingest, APPEND_PORT, thread, APPEND_PORT);
  }

  logDown(): void {
    this.isRejoining = true;
    this.logThread?.events.close();
    this.logThread = null;
  }

  /** A thread that folds is ready. */
  foldUp(index: number, thread: ConnectableThread): void {
    const { port1, port2 } = new MessageChannel();
    const channel = { name: 'main', mailboxMax: 1, epoch: thread.epoch, onFailure: (error: unknown) => this.modules.log.error({ err: error }, 'news of a partition could not be taken in') };
    const host = new Responder<never, never, PartitionNews, OwnPartitions>(portTransport(port1), () => {}, channel, { clock: this.modules.clock });
    host.onEvent((news) => this.hearOf(index, thread, news));
    this.folds.set(index, { thread, host });
    thread.connect(HOST_PORT, port2, null);
    if (this.logThread !== null) connect(thread, LOG_PORT, this.logThread.thread, PARTITIONS_PORT);
    this.tell(index);
  }

  foldDown(index: number): void {
    this.folds.get(index)?.host.close();
    this.folds.delete(index);
    for (const partition of [...this.states.keys()]) {
      if (partition % this.options.threads !== index) continue;
      this.partitionDown(partition);
      this.states.delete(partition);
    }
    this.changed();
  }

  ingestUp(name: string, thread: ConnectableThread): void {
    this.ingests.set(name, thread);
    if (this.logThread !== null) connect(thread, APPEND_PORT, this.logThread.thread, APPEND_PORT);
  }

  ingestDown(name: string): void {
    this.ingests.delete(name);
  }

  close(): void {
    this.logDown();
    for (const { host } of this.folds.values()) host.close();
    this.folds.clear();
  }

  // News -------------------------------------------------------------------------------------------------------------------

  private hear(event: ClusterEvent): void {
    if (event.kind === 'alive') {
      const wasAlive = this.isAlive;
      this.aliveAtMs = Math.max(this.aliveAtMs, event.sentAtMs);
      if (!wasAlive) this.changed();
      return;
    }
    this.isRejoining = event.kind === 'joining';
    if (event.kind === 'joining') return;
    this.current = event.map;
    for (const index of this.folds.keys()) this.tell(index);
    this.changed();
  }

  /** Tells a thread what it is to have. */
  private tell(index: number): void {
    if (this.current.generation < 0) return;
    const partitions = this.owned().filter((partition) => partition % this.options.threads === index);
    this.folds.get(index)?.host.sendEvent({ partitions });
  }

  private hearOf(index: number, thread: ConnectableThread, { partition, state }: PartitionNews): void {
    // Of a thread that is gone by now.
    if (this.folds.get(index)?.thread !== thread) return;
    const before = this.states.get(partition)?.state;
    if (state.state === 'released') this.states.delete(partition);
    else this.states.set(partition, state);
    if (state.state === 'ready') this.modules.links.shardUp(partition, thread);
    else if (before === 'ready') this.partitionDown(partition);
    this.changed();
  }

  private partitionDown(partition: number): void {
    this.modules.links.shardDown(partition);
    this.modules.onPartitionDown(partition);
  }

  private changed(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

function connect(asker: ConnectableThread, askerPurpose: string, answerer: ConnectableThread, answererPurpose: string): void {
  const { port1, port2 } = new MessageChannel();
  answerer.connect(answererPurpose, port2, null);
  asker.connect(askerPurpose, port1, { epoch: answerer.epoch });
}
