import type { ClusterMap } from './protocol.ts';

/** Which node gets which partitions: pure, decided by the group's leader after each change of its members and told to all of them whole. */

/** What a member says of itself when it joins. */
export interface MemberNews {
  nodeId: string;
  /** Of its gateway. */
  url: string;
  /** Partitions that it has. */
  owned: number[];
}

export interface Member extends MemberNews {
  memberId: string;
}

/** What every member is told. */
export interface Assignment {
  nodes: ClusterMap['nodes'];
  /** nodeId by partition. */
  owners: string[];
}

/**
 * Spreads the partitions evenly, each where it was if that can be: a partition that moves costs its new owner a restore. Who has more than his share gives his highest away; of two that say they
 * have the same partition the first by name keeps it. Same members, same result.
 */
export function assignPartitions(members: readonly Member[], partitionCount: number): Assignment {
  const sorted = [...members].sort((a, b) => (a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : a.memberId < b.memberId ? -1 : 1));
  // A node that came back before its former self was missed is there twice: the later entry's address counts, the share is one.
  const byNode = new Map<string, Member>();
  for (const member of sorted) byNode.set(member.nodeId, { ...member, owned: [...(byNode.get(member.nodeId)?.owned ?? []), ...member.owned] });
  const nodes = [...byNode.values()];
  const owners: (string | null)[] = new Array<string | null>(partitionCount).fill(null);
  const counts = new Map(nodes.map(({ nodeId }) => [nodeId, 0]));
  const give = (partition: number, nodeId: string): void => {
    owners[partition] = nodeId;
    counts.set(nodeId, counts.get(nodeId)! + 1);
  };
  const share = Math.floor(partitionCount / nodes.length);
  let larger = partitionCount % nodes.length;
  for (const { nodeId, owned } of nodes) {
    const kept = [...new Set(owned)].sort((a, b) => a - b).filter((partition) => partition >= 0 && partition < partitionCount && owners[partition] === null);
    const isLarger = kept.length > share && larger > 0;
    if (isLarger) larger--;
    for (const partition of kept.slice(0, share + (isLarger ? 1 : 0))) give(partition, nodeId);
  }
  for (let partition = 0; partition < partitionCount; partition++) {
    if (owners[partition] !== null) continue;
    const poorest = nodes.reduce((least, node) => (counts.get(node.nodeId)! < counts.get(least.nodeId)! ? node : least));
    give(partition, poorest.nodeId);
  }
  return { nodes: nodes.map(({ nodeId, url }) => ({ nodeId, url })), owners: owners as string[] };
}

export function encodeNews(news: MemberNews): Buffer {
  return Buffer.from(JSON.stringify(news));
}

/** Null for what no engine of this kind said. */
export function decodeNews(bytes: Uint8Array): MemberNews | null {
  try {
    const found = JSON.parse(Buffer.from(bytes).toString()) as Partial<MemberNews>;
    const isNews = typeof found.nodeId === 'string' && typeof found.url === 'string' && Array.isArray(found.owned) && found.owned.every((partition) => Number.isSafeInteger(partition));
    return isNews ? (found as MemberNews) : null;
  } catch {
    return null;
  }
}
