import type { RegionWindowKey } from './protocol.ts';

/**
 * Who may write which regional windows. Each is the sum over all shards and carries no revision, so what was asked for first must not be written last: a shard asks
 * and writes in its turn alone. Turns are taken for all keys of a batch at once and in order of asking, so nobody waits in a circle or for ever.
 */
export class RegionTurns {
  /** Shards by key, the one whose turn it is first. */
  private readonly queues = new Map<string, number[]>();
  private readonly asked = new Map<number, { keys: ReadonlySet<string>; queuesBehind: number }>();

  /** True when it is the shard's turn; else it stands in line. To ask again changes nothing: the keys stay those it first asked with until it leaves. */
  take(shard: number, keys: readonly RegionWindowKey[]): boolean {
    let turn = this.asked.get(shard);
    if (turn === undefined) {
      turn = { keys: new Set(keys.map(({ region, granularity, windowStart }) => `${region}/${granularity}/${windowStart}`)), queuesBehind: 0 };
      for (const key of turn.keys) {
        const queue = this.queues.get(key);
        if (queue === undefined) this.queues.set(key, [shard]);
        else {
          queue.push(shard);
          turn.queuesBehind++;
        }
      }
      this.asked.set(shard, turn);
    }
    return turn.queuesBehind === 0;
  }

  /** Gives up its turn or its place in line, if it has one. Returns the shards whose turn has come by it. */
  leave(shard: number): number[] {
    const turn = this.asked.get(shard);
    if (turn === undefined) return [];
    this.asked.delete(shard);
    const next: number[] = [];
    for (const key of turn.keys) {
      const queue = this.queues.get(key)!;
      const at = queue.indexOf(shard);
      queue.splice(at, 1);
      if (queue.length === 0) this.queues.delete(key);
      else if (at === 0 && --this.asked.get(queue[0])!.queuesBehind === 0) next.push(queue[0]);
    }
    return next;
  }
}
