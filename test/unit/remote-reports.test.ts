import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegionState } from '../../src/actors/region/state.ts';
import type { RegionPart, ShardReport } from '../../src/actors/shard/protocol.ts';
import { RemoteReports } from '../../src/engine/remote-reports.ts';
import { ReportLog } from '../../src/engine/report-log.ts';
import { RegionSeeding } from '../../src/engine/region-seeding.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { settled } from '../support/settled.ts';

const MINUTE_MS = 60_000;
const NOW_MS = Date.UTC(2026, 2, 1, 12);
const PARTITIONS = 4;

function part(minute: number, meters: number): RegionPart {
  return { region: 'north', granularity: '1m', windowStart: NOW_MS - minute * MINUTE_MS, meters, powerHigh: 0, powerLow: meters * 1e9, energyHigh: 0, energyLow: meters, minPowerKw: 0, maxPowerKw: meters, changes: meters };
}

/** A node: its own reports in a log for others, and a regional picture of all. */
class Node {
  readonly log: ReportLog;
  readonly region = new RegionState({});
  readonly anomalies: string[] = [];
  /** Partitions some of whose episodes are to be read from their store. */
  readonly missed: number[] = [];
  readonly remote: RemoteReports;
  readonly name: string;
  private readonly seeding: RegionSeeding;

  constructor(name: string, life: string, world: World) {
    this.name = name;
    this.log = new ReportLog(life);
    this.seeding = new RegionSeeding({
      clock: world.time,
      ask: async (partition) => [...world.stored[partition].values()],
      tell: (message) => {
        if (message.kind === 'storedParts') this.region.seed(message.shard, message.from, message.parts);
      },
    });
    this.remote = new RemoteReports({
      view: world.cluster.view(name),
      clock: world.time,
      timers: world.time,
      reports: async (url, since) => world.at(url).log.since(since),
      onReport: (report) => this.take(report),
      onGone: (partition) => this.gone(partition),
    });
    this.remote.start();
  }

  take(report: ShardReport): void {
    this.region.report(report);
    this.anomalies.push(...report.anomalies.map(({ id }) => id));
    this.seeding.onReport(report);
    if (report.anomaliesMissed) this.missed.push(report.shard);
  }

  /** A partition of its own reports. */
  own(report: ShardReport): void {
    this.log.take(report);
    this.take(report);
  }

  /** A partition of its own is another's. */
  lost(partition: number): void {
    this.log.forget(partition);
    this.gone(partition);
  }

  private gone(partition: number): void {
    this.region.forget(partition);
    this.seeding.shardDown(partition);
  }
}

class World {
  readonly time = new VirtualTime(NOW_MS);
  readonly cluster = new FakeCluster(['a', 'b', 'a', 'b']);
  readonly stored = Array.from({ length: PARTITIONS }, () => new Map<number, RegionPart>());
  readonly meters = new Array<number>(PARTITIONS).fill(0);
  readonly cutOff = new Set<string>();
  readonly nodes = new Map<string, Node>();

  constructor() {
    for (const name of ['a', 'b']) this.nodes.set(name, new Node(name, `${name}-1`, this));
  }

  at(url: string): Node {
    const name = url.slice('http://'.length);
    if (this.cutOff.has(name)) throw new Error('no answer');
    return this.nodes.get(name)!;
  }

  node(name: string): Node {
    return this.nodes.get(name)!;
  }

  report(partition: number, meters: number, parts: RegionPart[], anomalies: string[] = []): void {
    this.meters[partition] = meters;
    for (const one of parts) this.stored[partition].set(one.windowStart, one);
    const live = [{ region: 'north', meters, reporting: meters, silent: 0, loadHigh: 0, loadLow: 0, powered: meters, openAnomalies: 0 }];
    const owner = this.cluster.owners[partition];
    if (owner !== null) this.node(owner).own({ kind: 'report', shard: partition, live, parts, anomalies: anomalies.map((id) => ({ id })) as ShardReport['anomalies'] });
  }

  async pass(ms: number): Promise<void> {
    for (let t = 0; t < ms; t += 500) {
      this.time.advance(500);
      await settled();
      await settled();
    }
  }

  /** A rebalance as the nodes' own threads see it: who lost a partition has no shard of it any more, who got one reports. */
  move(partition: number, to: string): void {
    const from = this.cluster.owners[partition];
    this.cluster.rebalance(this.cluster.owners.map((owner, p) => (p === partition ? to : owner)));
    if (from !== null && from !== to) this.node(from).lost(partition);
    this.report(partition, this.meters[partition], []);
  }

  meterSum(name: string): number {
    return this.node(name).region.regionsNow()[0]?.meters ?? 0;
  }

  windows(name: string): [number, number][] {
    return this.node(name).region.recentWindows('north', NOW_MS, 0).map(({ windowStart, metersReporting }) => [(NOW_MS - windowStart) / MINUTE_MS, metersReporting]);
  }
}

describe('a node', () => {
  it('shows the load and the windows of all nodes a second later, and their episodes', async () => {
    const world = new World();
    world.report(0, 3, [part(2, 3)]);
    world.report(1, 4, [part(2, 4), part(1, 1)], ['early']);
    await world.pass(1_000);
    world.report(1, 5, [part(1, 2)], ['spike']);
    await world.pass(1_500);
    for (const name of ['a', 'b']) {
      expect(world.meterSum(name)).toBe(8);
      expect(world.windows(name)).toEqual([[2, 7], [1, 2]]);
    }
    expect(world.node('a').anomalies).toEqual(['spike']);
  });

  it('counts a partition once while it moves to another node and back', async () => {
    const world = new World();
    for (let p = 0; p < PARTITIONS; p++) world.report(p, 10, [part(1, 10)]);
    await world.pass(2_000);
    world.move(1, 'a');
    await world.pass(2_000);
    for (const name of ['a', 'b']) expect([world.meterSum(name), world.windows(name)]).toEqual([40, [[1, 40]]]);
    world.move(1, 'b');
    world.report(1, 11, [part(1, 11)]);
    await world.pass(2_000);
    for (const name of ['a', 'b']) expect([world.meterSum(name), world.windows(name)]).toEqual([41, [[1, 41]]]);
  });

  it('takes the meters of a node that is silent for gone, and says so, until it speaks again; its windows stay', async () => {
    const world = new World();
    for (let p = 0; p < PARTITIONS; p++) world.report(p, 10, [part(1, 10)]);
    await world.pass(2_000);
    world.cutOff.add('b');
    await world.pass(4_000);
    expect(world.meterSum('a')).toBe(40);
    await world.pass(4_000);
    expect([world.meterSum('a'), world.windows('a')]).toEqual([20, [[1, 40]]]);
    expect([...world.node('a').remote.silent]).toEqual(['b']);
    world.cutOff.delete('b');
    world.report(1, 10, []);
    world.report(3, 10, []);
    await world.pass(2_000);
    expect([world.meterSum('a'), [...world.node('a').remote.silent]]).toEqual([40, []]);
  });

  it('does not believe another about a partition that is not its own any more', async () => {
    const world = new World();
    world.report(1, 10, []);
    await world.pass(2_000);
    world.cluster.rebalance(['a', 'a', 'a', 'b']);
    world.report(1, 12, []);
    // It has not heard yet.
    world.node('b').log.take({ kind: 'report', shard: 1, live: [{ region: 'north', meters: 10, reporting: 10, silent: 0, loadHigh: 0, loadLow: 0, powered: 10, openAnomalies: 0 }], parts: [], anomalies: [] });
    await world.pass(2_000);
    expect(world.meterSum('a')).toBe(12);
  });

  it('hears that more episodes changed than another\'s reports carry', async () => {
    const world = new World();
    for (let p = 0; p < PARTITIONS; p++) world.report(p, 10, []);
    await world.pass(2_000);
    world.node('b').log.take({ kind: 'report', shard: 1, live: [], parts: [], anomalies: [], anomaliesMissed: true });
    await world.pass(3_000);
    expect([world.node('a').missed, world.meterSum('a')]).toEqual([[1], 30]);
  });

  it('drops what nobody owns', async () => {
    const world = new World();
    for (let p = 0; p < PARTITIONS; p++) world.report(p, 10, []);
    await world.pass(2_000);
    world.cluster.rebalance(['a', null, 'a', 'b']);
    await world.pass(1_500);
    expect(world.meterSum('a')).toBe(30);
  });

  it('asks for what is stored when it missed reports, because they were too many or the other started anew', async () => {
    const world = new World();
    world.report(1, 1, [part(5, 1)]);
    await world.pass(2_000);
    world.cutOff.add('b');
    for (let i = 0; i < 60; i++) world.report(1, 2, Array.from({ length: 1_000 }, (_, k) => part((k % 100) + 1, 2)));
    world.cutOff.delete('b');
    expect(world.node('b').log.since({ life: 'b-1', at: 1 }).isGap).toBe(true);
    await world.pass(1_500);
    expect(world.windows('a')).toHaveLength(100);
    world.nodes.set('b', new Node('b', 'b-2', world));
    world.report(1, 3, [part(1, 3)]);
    await world.pass(1_500);
    expect([world.meterSum('a'), world.windows('a').at(-1)]).toEqual([3, [1, 3]]);
  });

  it('agrees with the others after any reports, moves and cuts', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('report' as const), partition: fc.nat(PARTITIONS - 1), meters: fc.nat(9), minute: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant('move' as const), partition: fc.nat(PARTITIONS - 1), to: fc.constantFrom('a', 'b') }),
      fc.record({ kind: fc.constant('cut' as const), name: fc.constantFrom('a', 'b') }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 500, max: 4_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const world = new World();
        for (const one of steps) {
          if (one.kind === 'report') world.report(one.partition, one.meters, [part(one.minute, one.meters + 1)]);
          else if (one.kind === 'move') world.move(one.partition, one.to);
          else if (one.kind === 'cut') world.cutOff.add(one.name);
          else await world.pass(one.ms);
        }
        world.cutOff.clear();
        // Every shard reports while anything changes; this is that report.
        for (let p = 0; p < PARTITIONS; p++) world.report(p, world.meters[p], []);
        await world.pass(2_500);
        const expected = new Map<number, number>();
        for (const parts of world.stored) for (const one of parts.values()) expected.set(one.windowStart, (expected.get(one.windowStart) ?? 0) + one.meters);
        const windows = [...expected].sort(([x], [y]) => x - y).map(([start, meters]) => [(NOW_MS - start) / MINUTE_MS, meters]);
        for (const name of ['a', 'b']) {
          expect(world.meterSum(name)).toBe(world.meters.reduce((sum, n) => sum + n, 0));
          expect(world.windows(name)).toEqual(windows);
        }
      }),
      { numRuns: 150 },
    );
  });
});
