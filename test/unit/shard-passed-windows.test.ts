import { describe, expect, it } from 'vitest';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { ShardQueries } from '../../src/actors/shard/queries.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import type { Granularity, MeterWindow } from '../../src/model/window.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';
import { batchOf } from '../support/packed-readings.ts';

const AT = Date.UTC(2026, 0, 5);
const MINUTE_MS = 60_000;
const QUARTER_MS = 15 * MINUTE_MS;
const LATENESS_MS = 30_000;
const METER = 'm-1';
const ALL = { partition: 0, fromPage: 0, toPage: 1 };

/** One meter of a shard of one partition, without an actor: ticks come when the test says. */
class OneMeter {
  readonly state: ShardState;
  private readonly queries: ShardQueries;
  private sequence = 0;

  constructor() {
    const store = memoryShardStore();
    const config = { partitionCount: 1, latenessMs: LATENESS_MS, correctionHorizonMs: 40 * 86_400_000, metersMax: 10, regionsMax: 10, detection: DEFAULT_DETECTION };
    this.state = new ShardState(config, { stored: store, loadPart: (...key) => store.loadPart(...key) });
    this.queries = new ShardQueries(this.state, store, DEFAULT_DETECTION);
  }

  /** Gives the OUTCOME. It arrives when it was taken. */
  send(timestamp: number, powerKw = 1): number {
    const outcomes = new Uint8Array(1);
    this.state.applyBatch(batchOf([{ meterId: METER, region: 'r', timestamp, powerKw }]), Math.max(timestamp, AT), ++this.sequence, outcomes);
    return outcomes[0];
  }

  /** The clock's part is left out: it stands at the beginning. */
  tick(nowMs = AT): void {
    this.state.applyTick(ALL, nowMs, ++this.sequence);
  }

  get closed(): readonly number[] {
    return [...this.state.counters.windowsClosed];
  }

  windows(granularity: Granularity = '1m'): (string | number)[][] {
    const query = { granularity, from: 0, to: 1e13, limit: 100, cursor: null };
    const { data } = this.queries.answer<'meterWindows'>({ kind: 'meterWindows', meterId: METER, query })!;
    return data.map(({ windowStart, count, revision, final }: MeterWindow) => [(windowStart - AT) / MINUTE_MS, count, revision, final ? 'final' : 'open']);
  }
}

describe('a window that its meter has passed', () => {
  it('is closed by the next tick, not by the reading that passes it, and is shown as final from then on', () => {
    const meter = new OneMeter();
    meter.send(AT + 1);
    meter.send(AT + MINUTE_MS + LATENESS_MS - 1);
    meter.tick();
    expect(meter.closed).toEqual([0, 0]);
    expect(meter.windows()).toEqual([[0, 1, 0, 'open'], [1, 1, 0, 'open']]);
    meter.send(AT + MINUTE_MS + LATENESS_MS);
    expect(meter.closed).toEqual([0, 0]);
    expect(meter.windows()).toEqual([[0, 1, 0, 'final'], [1, 2, 0, 'open']]);
    expect(meter.state.directory.pages[0].nextTickMs).toBe(-Infinity);
    meter.tick();
    expect(meter.closed).toEqual([1, 0]);
    expect(meter.windows()).toEqual([[0, 1, 0, 'final'], [1, 2, 0, 'open']]);
    meter.tick();
    expect(meter.closed).toEqual([1, 0]);
  });

  it('is closed before a late reading amends it', () => {
    const meter = new OneMeter();
    meter.send(AT + 1);
    meter.send(AT + MINUTE_MS + LATENESS_MS);
    expect(meter.send(AT + 2)).toBe(OUTCOME.accepted);
    expect(meter.closed).toEqual([1, 0]);
    expect(meter.windows()).toEqual([[0, 2, 1, 'final'], [1, 1, 0, 'open']]);
    expect(meter.windows('15m')).toEqual([[0, 3, 0, 'open']]);
  });

  it('knows its readings', () => {
    const meter = new OneMeter();
    meter.send(AT + 1);
    meter.send(AT + MINUTE_MS + LATENESS_MS);
    expect(meter.send(AT + 1)).toBe(OUTCOME.duplicate);
    expect(meter.send(AT + 1, 2)).toBe(OUTCOME.conflict);
    expect(meter.windows()).toEqual([[0, 1, 0, 'final'], [1, 1, 0, 'open']]);
  });

  it('is closed when another needs its place, with all that was passed before', () => {
    const meter = new OneMeter();
    for (let minute = 0; minute < 3; minute++) meter.send(AT + minute * MINUTE_MS);
    // The place of the first, by the third; the second keeps its own.
    expect(meter.closed).toEqual([1, 0]);
    meter.send(AT + 5 * MINUTE_MS);
    expect(meter.closed).toEqual([3, 0]);
    expect(meter.windows()).toEqual([[0, 1, 0, 'final'], [1, 1, 0, 'final'], [2, 1, 0, 'final'], [5, 1, 0, 'open']]);
  });

  it('is closed when a reading that is not its meter\'s newest needs its place', () => {
    const meter = new OneMeter();
    meter.send(AT + 1);
    meter.send(AT + 3 * MINUTE_MS + 5_000);
    expect(meter.closed).toEqual([0, 0]);
    expect(meter.send(AT + 2 * MINUTE_MS + 50_000)).toBe(OUTCOME.accepted);
    expect(meter.closed).toEqual([1, 0]);
    expect(meter.windows()).toEqual([[0, 1, 0, 'final'], [2, 1, 0, 'open'], [3, 1, 0, 'open']]);
  });

  it('is a quarter-hour as well', () => {
    const meter = new OneMeter();
    meter.send(AT + QUARTER_MS - MINUTE_MS);
    meter.send(AT + QUARTER_MS + LATENESS_MS);
    expect(meter.windows('15m')).toEqual([[0, 1, 0, 'final'], [15, 1, 0, 'open']]);
    expect(meter.closed).toEqual([0, 0]);
    expect(meter.send(AT + QUARTER_MS - 1)).toBe(OUTCOME.accepted);
    expect(meter.windows('15m')).toEqual([[0, 2, 1, 'final'], [15, 1, 0, 'open']]);
    expect(meter.closed).toEqual([1, 1]);
    expect(meter.state.counters.windowsCorrected).toEqual([1, 1]);
  });

  it('is closed in order: what the detector is told of a meter goes forward', () => {
    const meter = new OneMeter();
    const told: number[] = [];
    const { window } = meter.state.episodes;
    meter.state.episodes.window = function (page, row, cells, region, facts) {
      told.push((facts.startMs - AT) / MINUTE_MS);
      window.call(this, page, row, cells, region, facts);
    };
    for (const minute of [0, 1, 2, 5, 6, 7]) meter.send(AT + minute * MINUTE_MS + 1);
    meter.send(AT + 8 * MINUTE_MS + 45_000);
    meter.tick();
    expect(told).toEqual([0, 1, 2, 5, 6, 7]);
  });
});
