import type { ClusterMap, ClusterView } from '../actors/kafka-log/protocol.ts';
import type { ShardAnswers, ShardQuery } from '../actors/shard/protocol.ts';
import { ASKABLE, type NodeAnswer, type NodeQuestion } from '../http/node-port.ts';
import { OperationalError } from '../runtime/errors.ts';
import { toWireError } from '../runtime/wire-error.ts';
import type { AskShard } from './ask-shard.ts';

/** Puts questions to the owner of each partition, wherever it lives. */

export interface PartitionQuestionsModules {
  view: ClusterView;
  /** Asks a partition of this node. */
  local: AskShard;
  /** Asks another node. */
  node(url: string, questions: readonly NodeQuestion[]): Promise<NodeAnswer[]>;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/** Questions to one node that wait for the end of the turn. */
interface Gathered {
  url: string;
  /** In order of asking; the same question to several partitions is one. */
  byQuery: Map<ShardQuery, { partitions: number[]; waiting: Waiting[] }>;
}

export class PartitionQuestions {
  private readonly modules: PartitionQuestionsModules;
  /** By nodeId. */
  private gathered = new Map<string, Gathered>();

  constructor(modules: PartitionQuestionsModules) {
    this.modules = modules;
  }

  /** What one turn asks of one node goes in one request. Rejects with `unavailable` (retryable) while the partition moves or its node is away. */
  ask<K extends ShardQuery['kind']>(partition: number, query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K]> {
    const { view, local } = this.modules;
    const map = view.map();
    const owner = map.owners[partition] ?? null;
    if (owner === map.self) return this.mayAnswer(partition, query) ? local<K>(partition, query) : Promise.reject(moving(partition));
    const url = urlOf(map, owner);
    if (owner === null || url === null) return Promise.reject(moving(partition));
    return new Promise((resolve, reject) => this.gather(owner, url, partition, query, { resolve: resolve as Waiting['resolve'], reject }));
  }

  /** Answers another node, for partitions of this one alone. */
  answer(questions: readonly NodeQuestion[]): Promise<NodeAnswer[]> {
    const asked = questions.flatMap(({ query, partitions }) => partitions.map((partition) => ({ query, partition })));
    return Promise.all(asked.map(({ query, partition }) => this.answerOne(partition, query)));
  }

  private async answerOne(partition: number, query: ShardQuery): Promise<NodeAnswer> {
    const { local } = this.modules;
    try {
      if (!ASKABLE.has(query.kind) || !this.mayAnswer(partition, query)) throw moving(partition);
      return { ok: await local(partition, query) };
    } catch (error) {
      const { code, message, retryable } = toWireError(error);
      return { failed: { code, message, retryable } };
    }
  }

  /**
   * Parts of regional windows are asked for after something changed, and not again: what two nodes answer for one partition, each for its own, could stay as the last word. So whoever may not have
   * it any more is silent.
   */
  private mayAnswer(partition: number, { kind }: ShardQuery): boolean {
    const { view } = this.modules;
    return view.ready(partition) && !(kind === 'regionPartsByKey' && view.isJoining);
  }

  private gather(nodeId: string, url: string, partition: number, query: ShardQuery, waiting: Waiting): void {
    if (this.gathered.size === 0) queueMicrotask(() => this.send());
    let node = this.gathered.get(nodeId);
    if (node === undefined) this.gathered.set(nodeId, (node = { url, byQuery: new Map() }));
    let one = node.byQuery.get(query);
    if (one === undefined) node.byQuery.set(query, (one = { partitions: [], waiting: [] }));
    one.partitions.push(partition);
    one.waiting.push(waiting);
  }

  private send(): void {
    const all = [...this.gathered.values()];
    this.gathered = new Map();
    for (const { url, byQuery } of all) {
      const questions = [...byQuery].map(([query, { partitions }]) => ({ query, partitions }));
      const waiting = [...byQuery.values()].flatMap((one) => one.waiting);
      this.modules.node(url, questions).then(
        (answers) => settle(waiting, answers),
        (error: unknown) => {
          for (const { reject } of waiting) reject(error);
        },
      );
    }
  }
}

function settle(waiting: readonly Waiting[], answers: readonly NodeAnswer[]): void {
  for (const [i, { resolve, reject }] of waiting.entries()) {
    const answer = answers[i];
    if (answer === undefined) reject(new OperationalError('unavailable', 'another node left a question unanswered; do all nodes run the same version?', { retryable: true }));
    else if ('failed' in answer) reject(new OperationalError(answer.failed.code, answer.failed.message, { retryable: answer.failed.retryable }));
    else resolve(answer.ok);
  }
}

function urlOf({ nodes }: ClusterMap, nodeId: string | null): string | null {
  return nodes.find((node) => node.nodeId === nodeId)?.url ?? null;
}

function moving(partition: number): OperationalError {
  return new OperationalError('unavailable', `partition ${partition} is moving to another node; try again shortly`, { retryable: true });
}
