import { setTimeout as sleep } from 'node:timers/promises';
import { AssignerProtocol } from 'kafkajs';
import type { Broker } from 'kafkajs/src/cluster/index.js';
import { OperationalError } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import { kafkaError, typeOf } from '../../sinks/kafka/kafka-errors.ts';
import { assignPartitions, decodeNews, encodeNews, type Assignment, type Member, type MemberNews } from '../assignment.ts';
import { SESSION_TIMEOUT_MS } from '../protocol.ts';
import type { LogCluster } from './log-cluster.ts';

/**
 * This node's membership in the group of all nodes: it says which partitions it has, and hears after every change who has which. The group's own offsets are written for
 * people and their tools, and read by nobody here but to see that a state was lost.
 */

export interface GroupMemberOptions {
  groupId: string;
  topic: string;
  partitionCount: number;
  nodeId: string;
  /** Of this node's gateway; asked for at each join, since its port may not be known before. */
  url: () => string;
}

export interface GroupMemberModules {
  log: Log;
  /** Partitions that this node has now. */
  owned(): number[];
  /** Who has which partition from now on. */
  onAssignment(assignment: Assignment, generation: number): void;
  /** From now until the next assignment others may be given what this node has. */
  onJoining(): void;
  /** A heartbeat that was sent at this time of performance.now() was answered well. */
  onAlive(sentAtMs: number): void;
  /** The group refuses this node for good. */
  onFailure(error: unknown): void;
  /** Keeps the member's name, so that after a crash the group need not wait for it until its session ends. */
  memory: { read(): string | null; write(memberId: string): void };
}

/** Members hear of a change by the answer to a heartbeat. */
const HEARTBEAT_MS = 1_500;
/** Time for all members to join anew; who has not by then is left out. */
const REBALANCE_TIMEOUT_MS = 15_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
const PROTOCOL = 'seg-1';
const PROTOCOL_VERSION = 0;
const NO_MEMBER = '';

interface Membership {
  memberId: string;
  generation: number;
  owned: ReadonlySet<number>;
}

export class GroupMember {
  private readonly options: GroupMemberOptions;
  private readonly modules: GroupMemberModules;
  private readonly cluster: LogCluster;
  private readonly joining: LogCluster;
  private memberId = NO_MEMBER;
  private membership: Membership | null = null;
  private readonly end = new AbortController();
  private ended: Promise<void> | null = null;
  /** Since the start. */
  joins = 0;

  /** `joining` has connections of its own: a broker answers a join when all have joined, and nothing else that came over the same connection before. */
  constructor(options: GroupMemberOptions, clusters: { cluster: LogCluster; joining: LogCluster }, modules: GroupMemberModules) {
    this.options = options;
    this.cluster = clusters.cluster;
    this.joining = clusters.joining;
    this.modules = modules;
  }

  start(): void {
    this.ended = this.run().catch((error: unknown) => {
      if (!this.end.signal.aborted) this.modules.onFailure(error);
    });
  }

  /** Leaves the group, so that others need not wait for the session to end. Never rejects. */
  async leave(): Promise<void> {
    this.end.abort();
    await this.ended;
    if (this.memberId !== NO_MEMBER && !this.cluster.isClosed) await this.leaveAs(this.memberId);
  }

  /**
   * Resolves when the group says, now, that the partition is this node's. Rejects with `released` (retryable) when it does not: somebody who was stopped for a while and goes on must not take
   * from others what was his.
   */
  async confirm(partition: number): Promise<void> {
    const { membership } = this;
    const refusal = (cause?: unknown) => new OperationalError('released', `the group of nodes does not say that partition ${partition} is this node's`, { retryable: true, cause });
    if (membership === null || !membership.owned.has(partition)) throw refusal();
    const { memberId, generation } = membership;
    await this.coordinator()
      .then((broker) => broker.heartbeat({ groupId: this.options.groupId, groupGenerationId: generation, memberId }))
      .catch((error: unknown) => {
        throw refusal(error);
      });
    if (this.membership !== membership) throw refusal();
  }

  /** Writes down for people up to where partitions are folded, by the first offset that is not. Never rejects. */
  async note(offsets: ReadonlyMap<number, number>): Promise<void> {
    if (this.membership === null || offsets.size === 0) return;
    const { memberId, generation } = this.membership;
    const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset), metadata: null }));
    const broker = await this.coordinator().catch(() => null);
    await broker?.offsetCommit({ groupId: this.options.groupId, groupGenerationId: generation, memberId, topics: [{ topic: this.options.topic, partitions }] }).catch(() => {});
  }

  /** What was written down for the partition; null: nothing. */
  async noted(partition: number): Promise<number | null> {
    const { groupId, topic } = this.options;
    const { responses } = await this.cluster.persist(async () => (await this.coordinator()).offsetFetch({ groupId, topics: [{ topic, partitions: [{ partition }] }] }));
    const offset = Number(responses[0].partitions[0].offset);
    return offset < 0 ? null : offset;
  }

  private async leaveAs(memberId: string | null): Promise<void> {
    if (memberId === null) return;
    const { groupId } = this.options;
    await this.coordinator().then((broker) => broker.leaveGroup({ groupId, memberId })).catch(() => {});
  }

  private coordinator(): Promise<Broker> {
    return this.cluster.coordinatorOf(this.options.groupId, 'group');
  }

  private async run(): Promise<void> {
    const { log } = this.modules;
    let waitMs = RETRY_MIN_MS;
    await this.leaveAs(this.modules.memory.read());
    while (!this.end.signal.aborted) {
      try {
        const membership = await this.join();
        waitMs = RETRY_MIN_MS;
        await this.live(membership);
      } catch (error) {
        const type = typeOf(error);
        // What it had it keeps until all have joined and somebody says otherwise.
        if (type === 'REBALANCE_IN_PROGRESS' && !this.end.signal.aborted) continue;
        this.membership = null;
        if (this.end.signal.aborted) return;
        if (type === 'UNKNOWN_MEMBER_ID' || type === 'ILLEGAL_GENERATION') {
          log.warn({ memberId: this.memberId }, 'the group of nodes went on without this one; it joins anew');
          if (type === 'UNKNOWN_MEMBER_ID') this.memberId = NO_MEMBER;
        } else {
          const operational = kafkaError(error, this.cluster.where);
          if (!operational.retryable && type !== null && FATAL.has(type)) throw operational;
          log[operational.retryable ? 'debug' : 'warn']({ err: operational }, 'the group of nodes could not be joined');
          await Promise.allSettled([this.cluster.lookAgain(), this.joining.lookAgain()]);
        }
        await sleep(waitMs, null, { signal: this.end.signal }).catch(() => {});
        waitMs = Math.min(RETRY_MAX_MS, waitMs * 2);
      }
    }
  }

  /** Joins, hears the assignment and tells of it. */
  private async join(): Promise<Membership> {
    const { groupId, topic, nodeId, url } = this.options;
    const news: MemberNews = { nodeId, url: url(), owned: this.modules.owned() };
    const metadata = AssignerProtocol.MemberMetadata.encode({ version: PROTOCOL_VERSION, topics: [topic], userData: encodeNews(news) });
    const broker = await this.joining.coordinatorOf(groupId, 'group');
    this.modules.onJoining();
    const pulse = this.membership === null ? null : setInterval(() => void this.pulse(), HEARTBEAT_MS);
    try {
      return await this.joinBy(broker, metadata);
    } finally {
      if (pulse !== null) clearInterval(pulse);
    }
  }

  /** While others are waited for: nobody has been given anything yet. */
  private async pulse(): Promise<void> {
    const { membership } = this;
    if (membership === null) return;
    const sentAtMs = performance.now();
    try {
      await (await this.coordinator()).heartbeat({ groupId: this.options.groupId, groupGenerationId: membership.generation, memberId: membership.memberId });
    } catch (error) {
      if (typeOf(error) !== 'REBALANCE_IN_PROGRESS') return;
    }
    if (this.membership === membership) this.modules.onAlive(sentAtMs);
  }

  private async joinBy(broker: Broker, metadata: Buffer): Promise<Membership> {
    const { groupId, topic, partitionCount, nodeId } = this.options;
    const joined = await broker.joinGroup({ groupId, sessionTimeout: SESSION_TIMEOUT_MS, rebalanceTimeout: REBALANCE_TIMEOUT_MS, memberId: this.memberId, groupProtocols: [{ name: PROTOCOL, metadata }] });
    this.memberId = joined.memberId;
    const { generationId: generation, memberId } = joined;
    this.modules.memory.write(memberId);
    const groupAssignment = joined.leaderId === memberId ? messagesFor(membersOf(joined.members), topic, partitionCount) : [];
    const sentAtMs = performance.now();
    const { memberAssignment } = await broker.syncGroup({ groupId, generationId: generation, memberId, groupAssignment });
    const decoded = AssignerProtocol.MemberAssignment.decode(memberAssignment);
    const assignment = decoded === null ? null : (JSON.parse(decoded.userData.toString()) as Assignment);
    if (assignment === null || assignment.owners.length !== partitionCount) {
      throw new OperationalError('kafka_refused', `the group ${groupId} is led by a node that sees another number of partitions of ${topic}; restart all nodes`);
    }
    const owned = new Set(assignment.owners.flatMap((owner, partition) => (owner === nodeId ? [partition] : [])));
    this.membership = { memberId, generation, owned };
    this.joins++;
    this.modules.onAlive(sentAtMs);
    this.modules.onAssignment(assignment, generation);
    return this.membership;
  }

  /** Until the group changes, or nothing is heard of it for a session. */
  private async live({ memberId, generation }: Membership): Promise<void> {
    const { groupId } = this.options;
    let heardAtMs = performance.now();
    while (!this.end.signal.aborted) {
      await sleep(HEARTBEAT_MS, null, { signal: this.end.signal }).catch(() => {});
      if (this.end.signal.aborted) return;
      const sentAtMs = performance.now();
      try {
        await (await this.coordinator()).heartbeat({ groupId, groupGenerationId: generation, memberId });
        heardAtMs = sentAtMs;
        this.modules.onAlive(sentAtMs);
      } catch (error) {
        const type = typeOf(error);
        if (type !== null && REJOIN.has(type)) throw error;
        if (performance.now() - heardAtMs > SESSION_TIMEOUT_MS) throw error;
        await this.cluster.lookAgain().catch(() => {});
      }
    }
  }
}

const REJOIN: ReadonlySet<string> = new Set(['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION']);
/** Waiting does not help. */
const FATAL: ReadonlySet<string> = new Set(['GROUP_AUTHORIZATION_FAILED', 'INCONSISTENT_GROUP_PROTOCOL', 'INVALID_GROUP_ID', 'INVALID_SESSION_TIMEOUT']);

function membersOf(members: readonly { memberId: string; memberMetadata: Buffer }[]): Member[] {
  return members.flatMap(({ memberId, memberMetadata }) => {
    const decoded = AssignerProtocol.MemberMetadata.decode(memberMetadata);
    const news = decoded === null ? null : decodeNews(decoded.userData);
    return news === null ? [] : [{ memberId, ...news }];
  });
}

/** Everybody is told everything; Kafka's own field names each member's partitions, for its tools. */
function messagesFor(members: readonly Member[], topic: string, partitionCount: number): { memberId: string; memberAssignment: Buffer }[] {
  const assignment = assignPartitions(members, partitionCount);
  const userData = Buffer.from(JSON.stringify(assignment));
  return members.map(({ memberId, nodeId }) => {
    const own = assignment.owners.flatMap((owner, partition) => (owner === nodeId ? [partition] : []));
    return { memberId, memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: PROTOCOL_VERSION, assignment: { [topic]: own }, userData }) };
  });
}
