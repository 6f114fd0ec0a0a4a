import { IngestActor, INGEST_DEFAULTS } from '../../src/actors/ingest/actor.ts';
import { createBodyDecoder } from '../../src/actors/ingest/body-decoder.ts';
import { RegionActor } from '../../src/actors/region/actor.ts';
import { ShardActor } from '../../src/actors/shard/actor.ts';
import type { OutboxOptions } from '../../src/actors/shard/outbox.ts';
import type { AppendReply, AppendRequest, RegionPicture, ShardAnswers, ShardQuery, ShardReport } from '../../src/actors/shard/protocol.ts';
import type { ShardStateConfig } from '../../src/actors/shard/state.ts';
import type { RetentionOptions } from '../../src/actors/shard/window-retention.ts';
import { RegionSeeding } from '../../src/engine/region-seeding.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import { Requester, Responder, type Reply } from '../../src/runtime/request-channel.ts';
import { Supervisor, type ChildSpec } from '../../src/runtime/supervisor.ts';
import { memoryTransportPair, type Transport } from '../../src/runtime/transport.ts';
import type { SimDisk } from './disk.ts';
import type { WorldOptions } from './plan.ts';
import { SimThread, type SimTime } from './sim-thread.ts';

/** One process of the engine: the real actors, supervisors and channels, wired as src/engine wires them, on simulated threads. */

type GatewayRequester = Requester<ShardQuery, ShardAnswers[ShardQuery['kind']], ShardReport, RegionPicture>;

/** What the process needs of the world around it, and tells it. */
export interface ProcessModules {
  time: SimTime;
  disks: readonly SimDisk[];
  state: ShardStateConfig;
  outbox?: OutboxOptions;
  retention: RetentionOptions;
  trace(line: string): void;
  /** Every answer of a shard, before it is sent. */
  onAppendReply(shard: number, buffer: ArrayBuffer, reply: AppendReply): void;
  /** A shard's thread failed by itself. */
  onShardFailure(error: unknown): void;
  onReport(report: ShardReport): void;
  /** A supervisor gave up: the process ends. */
  onEscalate(reason: OperationalError): void;
}

export const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };
/** As engine.ts has them, but for the time that restarts count within: a run is short and has many faults. */
const RESTARTS = { restartsMax: 5, withinMs: 10_000, backoffMinMs: 100, backoffMaxMs: 5_000 } as const;
const PICTURE_INTERVAL_MS = 5_000;
const QUERIES_PER_SHARD_MAX = 256;
const QUERY_DEADLINE_MS = 5_000;
const STOP_TIMEOUT_MS = 20_000;
const BYTES_IN_FLIGHT_MAX = 32 * 1024 * 1024;
const MANY = 1e6;

interface ShardUnit {
  thread: SimThread;
  actor: ShardActor;
  connectIngest(transport: Transport): void;
  connectGateway(transport: Transport): void;
}

interface IngestUnit {
  thread: SimThread;
  actor: IngestActor;
  requesters: Map<number, Requester<AppendRequest, AppendReply>>;
  connectShard(shard: number, epoch: number, transport: Transport): void;
}

export class EngineProcess {
  readonly options: WorldOptions;
  region: RegionActor;
  readonly shards = new Map<number, ShardUnit>();
  readonly ingests = new Map<number, IngestUnit>();
  private readonly modules: ProcessModules;
  private readonly main: SimThread;
  private readonly seeding: RegionSeeding;
  private readonly gateways = new Map<number, GatewayRequester>();
  private readonly supervisors: { actors: Supervisor; shards: Supervisor; ingests: Supervisor };

  constructor(options: WorldOptions, modules: ProcessModules) {
    this.options = options;
    this.modules = modules;
    this.main = new SimThread('main', 1, modules.time);
    this.region = this.makeRegion();
    this.seeding = new RegionSeeding({
      clock: this.main.clock,
      ask: (shard, query) => {
        const asked = this.gateways.get(shard)?.request(query, { deadlineMs: QUERY_DEADLINE_MS });
        return (asked ?? Promise.reject(new OperationalError('unavailable', 'the shard is away', { retryable: true }))) as Promise<ShardAnswers['regionParts']>;
      },
      tell: (message) => this.region.tell(message),
    });
    this.supervisors = {
      actors: this.supervise('actors', [{ name: 'region', stopTimeoutMs: STOP_TIMEOUT_MS, start: async ({ epoch }) => this.startRegion(epoch) }]),
      shards: this.supervise('shards', Array.from({ length: options.shards }, (_, shard) => ({ name: `shard-${shard}`, stopTimeoutMs: STOP_TIMEOUT_MS, start: ({ epoch }) => this.startShard(shard, epoch) }))),
      ingests: this.supervise('ingest', Array.from({ length: options.ingestThreads }, (_, i) => ({ name: `ingest-${i}`, stopTimeoutMs: STOP_TIMEOUT_MS, start: async ({ epoch }) => this.startIngest(i, epoch) }))),
    };
  }

  get alive(): boolean {
    return this.main.alive;
  }

  /** Resolves when everything is up. A process that dies meanwhile never resolves. */
  async start(): Promise<void> {
    const { actors, shards, ingests } = this.supervisors;
    await actors.start();
    await shards.start();
    await ingests.start();
    this.main.timers.every(PICTURE_INTERVAL_MS, () => {
      const picture: RegionPicture = { kind: 'regionPicture', regions: this.region.state.picture() };
      for (const requester of this.gateways.values()) requester.sendEvent(picture);
    });
  }

  /** Senders first, as engine.ts does. */
  async stop(): Promise<void> {
    const { actors, shards, ingests } = this.supervisors;
    await ingests.stop();
    await shards.stop();
    for (const requester of this.gateways.values()) requester.close();
    await actors.stop();
    this.main.alive = false;
  }

  /** kill -9: nothing on any thread runs any more, nothing that was sent arrives. */
  kill(underWay: 'lost' | 'kept'): void {
    this.main.alive = false;
    for (const { thread } of [...this.ingests.values(), ...this.shards.values()]) {
      thread.onDeath = null;
      thread.alive = false;
    }
    for (const disk of this.modules.disks) disk.crash(underWay);
  }

  killShard(shard: number, underWay: 'lost' | 'kept', isAbrupt: boolean): void {
    const unit = this.shards.get(shard);
    if (unit === undefined || !unit.thread.alive || !this.alive) return;
    this.modules.trace(`shard-${shard} dies`);
    this.modules.disks[shard].crash(underWay);
    unit.thread.kill({ kind: 'exited', code: 9 }, isAbrupt);
  }

  killIngest(index: number): void {
    const unit = this.ingests.get(index);
    if (unit === undefined || !unit.thread.alive || !this.alive) return;
    this.modules.trace(`ingest-${index} dies`);
    unit.thread.kill({ kind: 'exited', code: 9 }, true);
  }

  killRegion(): void {
    if (!this.alive) return;
    void this.region.stop(0);
    // What an actor that was stopped by its supervisor would not be: this one ends by itself.
    this.modules.trace('the region actor ends');
  }

  /** True when every thread is up and connected. */
  get isWhole(): boolean {
    const { supervisors } = this;
    return [supervisors.actors, supervisors.shards, supervisors.ingests].every((supervisor) => supervisor.status().every(({ state }) => state === 'up'));
  }

  // Threads ----------------------------------------------------------------------------------------------------------------

  private supervise(name: string, specs: ChildSpec[]): Supervisor {
    const { random } = this.modules.time;
    return new Supervisor({ name, strategy: 'one_for_one', ...RESTARTS }, specs, {
      clock: this.main.clock,
      timers: this.main.timers,
      log: SILENT,
      random: () => random.next(),
      onEscalate: (reason) => {
        if (this.alive) this.modules.onEscalate(reason);
      },
      onChild: (child, state) => {
        if (state === 'down') this.onThreadDown(child);
      },
    });
  }

  private onThreadDown(name: string): void {
    const [kind, index] = name.split('-');
    if (kind === 'ingest') this.ingests.delete(Number(index));
    if (kind !== 'shard') return;
    const shard = Number(index);
    this.shards.delete(shard);
    this.gateways.get(shard)?.close();
    this.gateways.delete(shard);
    this.seeding.shardDown(shard);
    this.region.tell({ kind: 'shardDown', shard });
  }

  private async startShard(shard: number, epoch: number): Promise<SimThread> {
    const { modules, options } = this;
    const thread = new SimThread(`shard-${shard}`, epoch, modules.time);
    const responders: Responder<never, never, never, never>[] = [];
    const transports: Transport[] = [];
    let gateway: Responder<ShardQuery, ShardAnswers[ShardQuery['kind']], RegionPicture, ShardReport> | null = null;
    const fail = (error: unknown) => {
      if (!thread.alive) return;
      modules.trace(`shard-${shard} fails: ${String(error)}`);
      modules.onShardFailure(error);
      modules.disks[shard].crash('lost');
      thread.kill({ kind: 'crashed', error: error as Error }, false);
    };
    thread.onDeath = (isAbrupt) => {
      for (const transport of transports) (isAbrupt ? peerOf(transport) : transport).close();
      for (const transport of transports) transport.close();
    };
    const actor = new ShardActor(
      {
        shard,
        shardCount: options.shards,
        state: modules.state,
        checkpoint: { stepMs: options.stepMs, intervalMs: options.intervalMs, pagesPerStepMax: options.pagesPerStepMax, blockSamplesMin: options.blockSamplesMin, stepBytesMax: options.pagesPerStepMax === 2 ? 1 : undefined },
        journalBytesMax: options.journalBytesMax,
        journalKeepBytesMax: options.journalKeepBytesMax,
        deadLettersMax: options.deadLettersMax,
        anomaliesMax: MANY,
        outbox: modules.outbox,
        retention: modules.retention,
      },
      { store: modules.disks[shard].open(), clock: thread.clock, timers: thread.timers, log: SILENT, onReport: (report) => gateway?.sendEvent(report), onFailure: fail },
    );
    const responder = { epoch, onFailure: fail };
    const unit: ShardUnit = {
      thread,
      actor,
      connectIngest: (transport) => {
        transports.push(transport);
        const channel = new Responder<AppendRequest, AppendReply>(
          transport,
          (request, reply) => actor.append(request, this.watched(shard, thread, request.buffer, reply)),
          { name: `shard-${shard}`, mailboxMax: options.creditsMax, ...responder },
          thread,
        );
        responders.push(channel as never);
      },
      connectGateway: (transport) => {
        transports.push(transport);
        gateway = new Responder(transport, (query, reply) => reply.ok(actor.ask(query)), { name: `shard-${shard}`, mailboxMax: QUERIES_PER_SHARD_MAX, ...responder }, thread);
        gateway.onEvent((picture) => actor.setPicture(picture));
      },
    };
    thread.onStop = () => actor.stop();
    await thread.orDeath(actor.start());
    this.shards.set(shard, unit);
    this.linkGateway(shard, unit);
    for (const [index, ingest] of this.ingests) this.link(index, ingest, shard, unit);
    return thread;
  }

  private watched(shard: number, thread: SimThread, buffer: ArrayBuffer, reply: Reply<AppendReply>): Reply<AppendReply> {
    return {
      ok: (answer, transfer) => {
        // What a dead thread says is heard by nobody.
        if (!thread.alive) return;
        this.modules.onAppendReply(shard, buffer, answer);
        reply.ok(answer, transfer);
      },
      fail: (error) => reply.fail(error),
    };
  }

  private startIngest(index: number, epoch: number): SimThread {
    const { modules, options } = this;
    const thread = new SimThread(`ingest-${index}`, epoch, modules.time);
    const actor = new IngestActor(
      { ...INGEST_DEFAULTS, partitionCount: options.partitionCount, shardCount: options.shards, queuedReadingsMax: options.queuedReadingsMax, appendDeadlineMs: options.appendDeadlineMs },
      { clock: thread.clock, decode: DECODE, atTurnEnd: (fn) => thread.timers.after(0, fn) },
    );
    const requesters = new Map<number, Requester<AppendRequest, AppendReply>>();
    const transports: Transport[] = [];
    const unit: IngestUnit = {
      thread,
      actor,
      requesters,
      connectShard: (shard, shardEpoch, transport) => {
        transports.push(transport);
        requesters.get(shard)?.close();
        const requester = new Requester<AppendRequest, AppendReply>(
          transport,
          { name: `shard-${shard}`, creditsMax: options.creditsMax, bytesInFlightMax: BYTES_IN_FLIGHT_MAX, epoch: shardEpoch },
          thread,
        );
        requesters.set(shard, requester);
        actor.shardUp(shard, requester);
        transport.onClose(() => {
          if (requesters.get(shard) !== requester) return;
          requesters.delete(shard);
          actor.shardDown(shard);
        });
      },
    };
    thread.onDeath = () => {
      for (const transport of transports) transport.close();
    };
    thread.onStop = async () => {
      await actor.whenIdle();
      for (const requester of requesters.values()) requester.close();
    };
    this.ingests.set(index, unit);
    for (const [shard, shardUnit] of this.shards) this.link(index, unit, shard, shardUnit);
    return thread;
  }

  // Links ------------------------------------------------------------------------------------------------------------------

  private pair(): [Transport, Transport] {
    const { time } = this.modules;
    const pair = memoryTransportPair((deliver) => {
      time.after(time.random.int(0, this.options.deliveryMsMax), () => {
        if (this.alive) deliver();
      });
    });
    peers.set(pair[0], pair[1]);
    peers.set(pair[1], pair[0]);
    return pair;
  }

  private link(index: number, ingest: IngestUnit, shard: number, unit: ShardUnit): void {
    const [first, second] = this.pair();
    unit.connectIngest(first);
    ingest.connectShard(shard, unit.thread.epoch, second);
    this.modules.trace(`ingest-${index} and shard-${shard}.${unit.thread.epoch} are connected`);
  }

  private linkGateway(shard: number, unit: ShardUnit): void {
    const [first, second] = this.pair();
    const requester: GatewayRequester = new Requester(first, { name: `shard-${shard}`, creditsMax: QUERIES_PER_SHARD_MAX, bytesInFlightMax: Number.MAX_SAFE_INTEGER, epoch: unit.thread.epoch }, this.main);
    requester.onEvent((report) => {
      this.modules.onReport(report);
      this.region.tell(report);
      this.seeding.onReport(report);
    });
    this.gateways.set(shard, requester);
    unit.connectGateway(second);
  }

  // Regions ----------------------------------------------------------------------------------------------------------------

  private makeRegion(): RegionActor {
    const capacities = Object.fromEntries(this.options.regions.map((region) => [region, 100]));
    return new RegionActor(capacities, { clock: this.main.clock, timers: this.main.timers }, () => {});
  }

  private startRegion(epoch: number): RegionActor {
    if (epoch > 1) {
      this.region = this.makeRegion();
      this.seeding.regionActorRestarted();
    }
    return this.region;
  }
}

/** One for all ingest threads: a decoder keeps nothing from one body to the next, and its buffers are large. */
const DECODE = createBodyDecoder();

const peers = new WeakMap<Transport, Transport>();

function peerOf(transport: Transport): Transport {
  return peers.get(transport)!;
}
