import { MessageChannel } from 'node:worker_threads';
import type { RegionPicture, ShardAnswers, ShardQuery, ShardReport } from '../actors/shard/protocol.ts';
import type { SharedClock, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { Requester } from '../runtime/request-channel.ts';
import { portTransport } from '../runtime/transport.ts';
import type { WorkerThread } from '../runtime/worker-thread.ts';
import type { GatewayChannelAnswer } from './shard-thread.ts';

/** Threads and the ports between them: main thread to each shard, each ingest thread and the sink thread to each shard. */

/** What comes with a client's port to a shard. */
export interface ShardPortMeta {
  shard: number;
  epoch: number;
}

/** What a thread wants of the shards, and so the purpose of its ports: to append readings, or to hear what changed. */
export type ClientKind = 'ingest' | 'sinks';

/** What the wiring needs of a thread. */
export type ConnectableThread = Pick<WorkerThread<object>, 'connect' | 'epoch'>;

type GatewayRequester = Requester<ShardQuery, GatewayChannelAnswer, ShardReport, RegionPicture>;

/** Answers are bounded pages; their size is not known before. */
const BYTES_UNCOUNTED = Number.MAX_SAFE_INTEGER;

export interface ShardLinksOptions {
  /** Questions that may be unanswered at each shard. */
  queriesMax: number;
  queryDeadlineMs: number;
}

export class ShardLinks {
  private readonly options: ShardLinksOptions;
  private readonly modules: { clock: SharedClock; timers: Timers; onReport: (report: ShardReport) => void };
  private readonly shards = new Map<number, { thread: ConnectableThread; requester: GatewayRequester }>();
  /** By name. */
  private readonly clients = new Map<string, { kind: ClientKind; thread: ConnectableThread }>();

  constructor(options: ShardLinksOptions, modules: { clock: SharedClock; timers: Timers; onReport: (report: ShardReport) => void }) {
    this.options = options;
    this.modules = modules;
  }

  /** A shard thread is ready: it is connected to this thread and to every client there is. */
  shardUp(shard: number, thread: ConnectableThread): void {
    this.shardDown(shard);
    const { port1, port2 } = new MessageChannel();
    const requester: GatewayRequester = new Requester(
      portTransport(port1),
      { name: `shard-${shard}`, creditsMax: this.options.queriesMax, bytesInFlightMax: BYTES_UNCOUNTED, epoch: thread.epoch },
      this.modules,
    );
    requester.onEvent((report) => this.modules.onReport(report));
    this.shards.set(shard, { thread, requester });
    thread.connect('gateway', port2, { shard, epoch: thread.epoch } satisfies ShardPortMeta);
    for (const client of this.clients.values()) connect(client, shard, thread);
  }

  shardDown(shard: number): void {
    this.shards.get(shard)?.requester.close();
    this.shards.delete(shard);
  }

  /** A client's thread is ready: it is connected to every shard there is. */
  clientUp(name: string, kind: ClientKind, thread: ConnectableThread): void {
    const client = { kind, thread };
    this.clients.set(name, client);
    for (const [shard, link] of this.shards) connect(client, shard, link.thread);
  }

  clientDown(name: string): void {
    this.clients.delete(name);
  }

  /** Puts a question to a shard. Rejects with `unavailable` (retryable) while it is away, `deadline`, `peer_gone` or `no_credits`. */
  ask<K extends ShardQuery['kind']>(shard: number, query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K]> {
    const link = this.shards.get(shard);
    if (link === undefined) {
      return Promise.reject(new OperationalError('unavailable', `shard-${shard} is restarting; try again shortly`, { retryable: true }));
    }
    return link.requester.request(query, { deadlineMs: this.options.queryDeadlineMs }) as Promise<ShardAnswers[K]>;
  }

  /** Tells every shard how the regions are. */
  tellPicture(picture: RegionPicture): void {
    for (const { requester } of this.shards.values()) requester.sendEvent(picture);
  }

  close(): void {
    for (const shard of [...this.shards.keys()]) this.shardDown(shard);
  }
}

function connect(client: { kind: ClientKind; thread: ConnectableThread }, shard: number, thread: ConnectableThread): void {
  const { port1, port2 } = new MessageChannel();
  thread.connect(client.kind, port1, { shard, epoch: thread.epoch } satisfies ShardPortMeta);
  client.thread.connect('shard', port2, { shard, epoch: thread.epoch } satisfies ShardPortMeta);
}
