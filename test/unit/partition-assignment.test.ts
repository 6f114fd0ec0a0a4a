import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignPartitions, decodeNews, encodeNews, type Member } from '../../src/actors/kafka-log/assignment.ts';

const members = fc
  .uniqueArray(fc.record({ memberId: fc.uuid(), nodeId: fc.constantFrom('a', 'b', 'c', 'd', 'e'), url: fc.webUrl(), owned: fc.uniqueArray(fc.nat(40)) }), { minLength: 1, maxLength: 6, selector: ({ memberId }) => memberId })
  .map((list) => list as Member[]);

describe('partitions over nodes', () => {
  it('all have an owner, and no node has more than one more than another', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 1, max: 40 }), (list, partitionCount) => {
        const { nodes, owners } = assignPartitions(list, partitionCount);
        const counts = nodes.map(({ nodeId }) => owners.filter((owner) => owner === nodeId).length);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(partitionCount);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('are spread the same whatever the order in which members are listed', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 1, max: 40 }), (list, partitionCount) => {
        expect(assignPartitions([...list].reverse(), partitionCount)).toEqual(assignPartitions(list, partitionCount));
      }),
    );
  });

  it('stay where they are when nothing changes, and only move to a node that is new or from one that is gone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }), (nodeCount, partitionCount) => {
        const named = (count: number, owners: readonly string[]): Member[] =>
          Array.from({ length: count }, (_, i) => ({ memberId: `m${i}`, nodeId: `n${i}`, url: '', owned: owners.flatMap((owner, partition) => (owner === `n${i}` ? [partition] : [])) }));
        const first = assignPartitions(named(nodeCount, []), partitionCount).owners;
        expect(assignPartitions(named(nodeCount, first), partitionCount).owners).toEqual(first);
        const joined = assignPartitions(named(nodeCount + 1, first), partitionCount).owners;
        joined.forEach((owner, partition) => expect([first[partition], `n${nodeCount}`]).toContain(owner));
        const left = assignPartitions(named(nodeCount, joined), partitionCount).owners;
        left.forEach((owner, partition) => {
          if (joined[partition] !== `n${nodeCount}`) expect(owner).toBe(joined[partition]);
        });
      }),
    );
  });

  it('a member says of itself what it is read as, and nothing else is taken for it', () => {
    const news = { nodeId: 'n', url: 'http://127.0.0.1:1', owned: [1, 2] };
    expect(decodeNews(encodeNews(news))).toEqual(news);
    for (const other of ['', '{}', 'null', '{"nodeId":1,"url":"","owned":[]}', '{"nodeId":"a","url":"b","owned":["c"]}']) expect(decodeNews(Buffer.from(other))).toBeNull();
  });
});
