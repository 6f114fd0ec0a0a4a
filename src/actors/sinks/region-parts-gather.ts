import type { RegionPart } from '../shard/protocol.ts';
import type { RegionWindowKey } from './protocol.ts';

/** Keys in one question, about: what the other nodes take of one, and some hundred kilobytes of answers from a partition. */
const KEYS_MAX = 1_000;

interface Waiting {
  keys: readonly RegionWindowKey[];
  resolve(parts: RegionPart[]): void;
  reject(error: unknown): void;
}

/**
 * Puts the questions of many shards for parts of regional windows as few: one at a time, and what is asked meanwhile is the next one, each window once. All partitions close the same minutes
 * at the same time, and each question goes to all partitions of all nodes.
 */
export class RegionPartsGather {
  private readonly ask: (keys: readonly RegionWindowKey[]) => Promise<RegionPart[]>;
  private waiting: Waiting[] = [];
  private isAsking = false;

  constructor(ask: (keys: readonly RegionWindowKey[]) => Promise<RegionPart[]>) {
    this.ask = ask;
  }

  /** As `ask`; the question is put after this call, so the answer is not older. */
  parts(keys: readonly RegionWindowKey[]): Promise<RegionPart[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ keys, resolve, reject });
      if (!this.isAsking) void this.askAll();
    });
  }

  private async askAll(): Promise<void> {
    this.isAsking = true;
    // What the same turn asks goes along.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const { askers, keys } = this.takeSome();
      try {
        const byKey = new Map<string, RegionPart[]>();
        for (const part of await this.ask([...keys.values()])) {
          const parts = byKey.get(nameOf(part));
          if (parts === undefined) byKey.set(nameOf(part), [part]);
          else parts.push(part);
        }
        for (const asker of askers) asker.resolve(asker.keys.flatMap((key) => byKey.get(nameOf(key)) ?? []));
      } catch (error) {
        for (const { reject } of askers) reject(error);
      }
    }
    this.isAsking = false;
  }

  /** At least one asker, however many keys that is. */
  private takeSome(): { askers: Waiting[]; keys: Map<string, RegionWindowKey> } {
    const keys = new Map<string, RegionWindowKey>();
    let count = 0;
    while (count < this.waiting.length && (count === 0 || keys.size < KEYS_MAX)) {
      for (const key of this.waiting[count].keys) keys.set(nameOf(key), key);
      count++;
    }
    return { askers: this.waiting.splice(0, count), keys };
  }
}

function nameOf({ region, granularity, windowStart }: RegionWindowKey): string {
  return `${region}/${granularity}/${windowStart}`;
}
