import { beforeEach, describe, expect, it } from 'vitest';
import type { ShardQuery } from '../../src/actors/shard/protocol.ts';
import type { AskShard } from '../../src/engine/ask-shard.ts';
import { PartitionQuestions } from '../../src/engine/partition-questions.ts';
import type { NodeAnswer, NodeQuestion } from '../../src/http/node-port.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { FakeCluster } from '../support/fake-cluster.ts';

const METERS: Extract<ShardQuery, { kind: 'meters' }> = { kind: 'meters', query: { region: null, limit: 10, cursor: null } };
const METER: Extract<ShardQuery, { kind: 'meter' }> = { kind: 'meter', meterId: 'm1' };

/** Partitions 0 and 3 are a's, 1 and 4 b's, 2 c's, 5 nobody's. */
let cluster: FakeCluster;
/** Questions that came to a node over the wire. */
let wire: { url: string; questions: NodeQuestion[] }[];
let broken: Set<string>;
let nodes: Map<string, PartitionQuestions>;

beforeEach(() => {
  cluster = new FakeCluster(['a', 'b', 'c', 'a', 'b', null]);
  wire = [];
  broken = new Set();
  nodes = new Map();
  for (const name of ['a', 'b', 'c']) {
    const local: AskShard = async (partition, query) => {
      if ('meterId' in query && query.meterId === 'bad') throw new OperationalError('query_failed', 'it could not');
      return `${name}${partition} ${query.kind}` as never;
    };
    nodes.set(name, new PartitionQuestions({ view: cluster.view(name), local, node: ask }));
  }
});

async function ask(url: string, questions: readonly NodeQuestion[]): Promise<NodeAnswer[]> {
  wire.push({ url, questions: [...questions] });
  if (broken.has(url)) throw new OperationalError('unavailable', 'cut off', { retryable: true });
  return nodes.get(url.slice('http://'.length))!.answer(questions);
}

const a = () => nodes.get('a')!;

describe('a question', () => {
  it('goes to the owner of the partition, in this process where that is here', async () => {
    expect(await Promise.all([0, 1, 2].map((partition) => a().ask(partition, METER)))).toEqual(['a0 meter', 'b1 meter', 'c2 meter']);
    expect(wire.map(({ url }) => url)).toEqual(['http://b', 'http://c']);
  });

  it('to every partition is one request to each other node', async () => {
    expect(await Promise.all([0, 1, 2, 3, 4].map((partition) => a().ask(partition, METERS)))).toEqual(['a0 meters', 'b1 meters', 'c2 meters', 'a3 meters', 'b4 meters']);
    expect(wire).toEqual([
      { url: 'http://b', questions: [{ query: METERS, partitions: [1, 4] }] },
      { url: 'http://c', questions: [{ query: METERS, partitions: [2] }] },
    ]);
  });

  it('shares its request with others of the same turn, and each gets its own answer', async () => {
    expect(await Promise.all([a().ask(4, METERS), a().ask(1, METER), a().ask(1, METERS)])).toEqual(['b4 meters', 'b1 meter', 'b1 meters']);
    expect(wire).toEqual([{ url: 'http://b', questions: [{ query: METERS, partitions: [4, 1] }, { query: METER, partitions: [1] }] }]);
    await a().ask(1, METER);
    expect(wire).toHaveLength(2);
  });

  it('that fails there fails here with the same reason, alone', async () => {
    const bad = a().ask(1, { kind: 'meter', meterId: 'bad' });
    const good = a().ask(1, METER);
    await expect(bad).rejects.toMatchObject({ code: 'query_failed', retryable: false });
    expect(await good).toBe('b1 meter');
  });

  it('is worth another try while its partition is nobody\'s, moves, or its node is away', async () => {
    await expect(a().ask(5, METER)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    cluster.notReady.add(0).add(1);
    await expect(a().ask(0, METER)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    await expect(a().ask(1, METER)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    broken.add('http://c');
    await expect(a().ask(2, METER)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    cluster.urls.delete('b');
    await expect(a().ask(4, METER)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  });

  it('is not passed on by a node that is no longer the owner', async () => {
    expect(await nodes.get('b')!.answer([{ query: METER, partitions: [0, 1] }])).toMatchObject([{ failed: { code: 'unavailable', retryable: true } }, { ok: 'b1 meter' }]);
    expect(wire).toEqual([]);
  });

  it('of another node cannot move what consumers stand at', async () => {
    const query = { kind: 'acknowledgeEffects', consumer: 'timescale', position: '1' } as const;
    expect(await nodes.get('b')!.answer([{ query, partitions: [1] }])).toMatchObject([{ failed: { retryable: true } }]);
  });

  it('for parts of regional windows is not answered by a node that joins the group anew: it may have lost the partition', async () => {
    const query = { kind: 'regionPartsByKey', keys: [] } as const;
    cluster.joining.add('b');
    await expect(a().ask(1, query)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    await expect(nodes.get('b')!.ask(1, query)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    expect(await a().ask(1, METER)).toBe('b1 meter');
    cluster.joining.clear();
    expect(await a().ask(1, query)).toBe('b1 regionPartsByKey');
  });

  it('that a node leaves unanswered does not hang', async () => {
    const short = new PartitionQuestions({ view: cluster.view('a'), local: async () => null as never, node: async () => [] });
    await expect(short.ask(1, METER)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
