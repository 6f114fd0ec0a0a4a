import type { ClusterMap, ClusterView } from '../../src/actors/kafka-log/protocol.ts';

/** A cluster as the test says it is: `owners` by partition, by name of the node. */
export class FakeCluster {
  owners: (string | null)[];
  /** Partitions that their owner is not ready for. */
  readonly notReady = new Set<number>();
  /** Names of nodes that do not know yet who has what. */
  readonly joining = new Set<string>();
  /** By name of the node. */
  readonly urls = new Map<string, string>();
  private readonly listeners: (() => void)[] = [];
  private generation = 1;

  constructor(owners: (string | null)[]) {
    this.owners = owners;
    for (const name of owners) if (name !== null) this.urls.set(name, `http://${name}`);
  }

  /** As one of its nodes sees it. */
  view(self: string): ClusterView {
    const { joining } = this;
    return {
      get isJoining() {
        return joining.has(self);
      },
      map: (): ClusterMap => ({ generation: this.generation, self, nodes: [...this.urls].map(([nodeId, url]) => ({ nodeId, url })), owners: this.owners }),
      onChange: (listener) => void this.listeners.push(listener),
      ready: (partition) => this.owners[partition] === self && !this.notReady.has(partition),
    };
  }

  rebalance(owners: (string | null)[]): void {
    this.owners = owners;
    this.generation++;
    for (const listener of this.listeners) listener();
  }
}
