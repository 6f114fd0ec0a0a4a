import { OperationalError } from '../../../runtime/errors.ts';
import type { BatchTrace } from '../../shard/protocol.ts';
import { typeOf } from '../../sinks/kafka/kafka-errors.ts';
import { packMessages } from '../message-block.ts';
import { fetchFrom, logMessageOf, tracesOf, type Fetched, type FetchLimits } from './fetching.ts';
import type { LogCluster } from './log-cluster.ts';

/** A piece of a partition's log. */
export interface LogPiece {
  /** message-block.ts; owned by the receiver. */
  block: ArrayBuffer;
  /** Offset to go on from. */
  next: number;
  /** Offset behind the last message that can be read now. */
  end: number;
  /** Of its messages that are traced, by offset; absent without any. */
  traces?: ReadonlyMap<number, BatchTrace>;
}

/**
 * How long a request waits for messages at the broker. While it waits, a partition that is asked for meanwhile waits as well, so it is short; and an idle engine asks so often.
 */
const WAIT_MS = 100;
/** A reader hears this often that there is nothing new. */
const IDLE_MS = 2_000;
const LIMITS: FetchLimits = { waitMs: WAIT_MS, partitionBytesMax: 1024 * 1024, bytesMax: 8 * 1024 * 1024 };

interface Want {
  partition: number;
  offset: number;
  sinceMs: number;
  /** An answer had no room for it. It is older than those that got something, and so comes before them next time. */
  isPassedOver: boolean;
  /** Asked for alone, since a request for several was refused for one of them, or had no room for it twice. */
  isAlone: boolean;
  resolve(piece: LogPiece): void;
  reject(error: unknown): void;
}

/**
 * Reads partitions of the log for whoever asks, one piece at a time each: who is busy does not ask, and nothing is read ahead for him. Partitions with the same leader share a request.
 */
export class LogReader {
  private readonly cluster: LogCluster;
  private readonly topic: string;
  private readonly isTraced: boolean;
  private readonly wants = new Map<number, Want>();
  private readonly busyLeaders = new Set<number>();
  private isLooking = false;

  /** `isTraced`: whether anybody goes on with the traces that messages carry. */
  constructor(cluster: LogCluster, topic: string, isTraced = false) {
    this.cluster = cluster;
    this.topic = topic;
    this.isTraced = isTraced;
  }

  /** What is there from the offset on, or nothing after a while. Rejects with OperationalError: `stopping`, or the broker's refusal such as OFFSET_OUT_OF_RANGE (refusalOf). `released` when the partition is asked for anew or forgotten. */
  read(partition: number, offset: number): Promise<LogPiece> {
    this.forget(partition);
    return new Promise((resolve, reject) => {
      this.wants.set(partition, { partition, offset, sinceMs: performance.now(), isPassedOver: false, isAlone: false, resolve, reject });
      this.look();
    });
  }

  /** Nobody waits for the partition any more. */
  forget(partition: number): void {
    const want = this.wants.get(partition);
    if (want !== undefined) this.fail(want, new OperationalError('released', `partition ${partition} is not read any more`, { retryable: true }));
  }

  /** Starts a request to each leader that has none and is wanted. */
  private look(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    void this.cluster
      .persist(() => this.cluster.leaders(this.topic))
      .then(
        (leaders) => this.ask(leaders),
        (error: unknown) => this.failAll(error),
      )
      .finally(() => (this.isLooking = false));
  }

  private ask(leaders: ReadonlyMap<number, number>): void {
    const byLeader = new Map<number, Want[]>();
    for (const want of this.wants.values()) {
      const leader = leaders.get(want.partition) ?? -1;
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), want]);
    }
    for (const [leader, wants] of byLeader) {
      if (this.busyLeaders.has(leader)) continue;
      this.busyLeaders.add(leader);
      const alone = wants.find(({ isAlone }) => isAlone);
      void this.askLeader(leader, alone === undefined ? wants : [alone]).finally(() => {
        this.busyLeaders.delete(leader);
        if (this.wants.size > 0) this.look();
      });
    }
  }

  private async askLeader(leader: number, wants: readonly Want[]): Promise<void> {
    try {
      const found = await this.cluster.persist(async () => {
        const current = await this.cluster.leaders(this.topic);
        // Leaders may have changed since: those of others come with the next round.
        const own = wants.filter(({ partition }) => current.get(partition) === leader);
        return own.length === 0 ? new Map<number, Fetched>() : fetchFrom(await this.cluster.broker(leader), this.topic, own, LIMITS);
      });
      for (const want of wants) this.found(want, found.get(want.partition));
    } catch (error) {
      for (const want of wants) {
        if (wants.length === 1 || typeOf(error) === null) this.fail(want, error);
        else want.isAlone = true;
      }
    }
  }

  private found(want: Want, fetched: Fetched | undefined): void {
    if (fetched === undefined || this.wants.get(want.partition) !== want) return;
    const { messages, next, end } = fetched;
    const isIdle = messages.length === 0 && next === want.offset;
    if (isIdle && performance.now() - want.sinceMs < IDLE_MS && end <= next) return;
    if (isIdle && next < end) {
      want.isAlone = want.isPassedOver;
      want.isPassedOver = true;
      return;
    }
    if (messages.length === 0 && next > want.offset && next < end) {
      want.offset = next;
      return;
    }
    this.wants.delete(want.partition);
    const piece: LogPiece = { block: packMessages(want.partition, messages.map((message) => logMessageOf(want.partition, message))), next, end };
    const traces = this.isTraced ? tracesOf(messages) : null;
    if (traces !== null) piece.traces = traces;
    want.resolve(piece);
  }

  private fail(want: Want, error: unknown): void {
    if (this.wants.get(want.partition) !== want) return;
    this.wants.delete(want.partition);
    want.reject(error);
  }

  private failAll(error: unknown): void {
    for (const want of [...this.wants.values()]) this.fail(want, error);
  }
}
