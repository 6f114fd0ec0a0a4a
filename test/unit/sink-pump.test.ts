import { describe, expect, it } from 'vitest';
import { ALERTS_LANE, BILLING_LANE, type EffectBatch, type EffectSource, type RegionWindowKey, type SentRegionWindow, type SinkBatch, type SinkWriter, type WriteReport } from '../../src/actors/sinks/protocol.ts';
import { SinkPump, type SinkPumpOptions } from '../../src/actors/sinks/pump.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import type { Tracing } from '../../src/runtime/tracing.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { examplePrice, priceEvent } from '../support/example-bills.ts';
import { RecordedTracing, traceparentOf } from '../support/recorded-tracing.ts';

const AWAY = new OperationalError('unavailable', 'connection refused', { retryable: true });
const DENIED = new OperationalError('permission_denied', 'GRANT INSERT ON aggregates_1m TO the user of SEG_TIMESCALE_URL');
const KEY: RegionWindowKey = { region: 'north', granularity: '1m', windowStart: 60_000 };

/** A call that the test answers. */
interface Call<Args, Result> {
  args: Args;
  ok(result: Result): void;
  fail(error: unknown): void;
}

class Calls<Args, Result> {
  /** Not answered yet, oldest first. */
  readonly open: Call<Args, Result>[] = [];
  made = 0;

  make(args: Args): Promise<Result> {
    this.made++;
    return new Promise((resolve, reject) => {
      const answered = <T>(give: (value: T) => void) => (value: T) => {
        this.open.splice(this.open.indexOf(call), 1);
        give(value);
      };
      const call = { args, ok: answered(resolve), fail: answered(reject) };
      this.open.push(call);
    });
  }
}

interface ReadArgs {
  shard: number;
  position: string | null;
  windowsMax: number;
}

interface Line {
  level: 'info' | 'warn' | 'error';
  fields: Record<string, unknown>;
  message: string;
}

/** A pump whose source and writer do what the test says, when it says it. */
function pumpOf(options: Partial<SinkPumpOptions> = {}, random = () => 0.5, tracing: Tracing | null = null) {
  const time = new VirtualTime();
  const lines: Line[] = [];
  const acknowledged: string[] = [];
  const failures: unknown[] = [];
  const opens = new Calls<null, (shard: number) => string | null>();
  const reads = new Calls<ReadArgs, EffectBatch>();
  const asks = new Calls<readonly RegionWindowKey[], SentRegionWindow[]>();
  const writes = new Calls<SinkBatch, WriteReport>();
  /** Of the writes, in order. */
  const slots: (number | undefined)[] = [];
  const closes = new Calls<null, void>();
  const noting = (level: Line['level']) => (fields: object, message: string) => void lines.push({ level, fields: { ...fields }, message });
  const log: Log = { debug() {}, info: noting('info'), warn: noting('warn'), error: noting('error'), child: () => log };
  const source: EffectSource = {
    read: (shard, consumer, position, windowsMax) => {
      expect(consumer).toBe('timescale');
      return reads.make({ shard, position, windowsMax });
    },
    acknowledge: (shard, _consumer, position) => void acknowledged.push(`${shard}:${position}`),
    regionWindows: (keys) => asks.make(keys),
  };
  const writer: SinkWriter = { name: 'timescale', open: () => opens.make(null), write: (batch, slot) => {
      slots.push(slot);
      return writes.make(batch);
    }, close: () => closes.make(null) };
  const pump = new SinkPump({ shards: 1, ...options }, { source, writer, clock: time, timers: time, random, log, tracing, onFailure: (error) => failures.push(error) });
  const settle = (): Promise<void> => time.advanceSettled(0);
  return {
    time, lines, acknowledged, failures, opens, reads, asks, writes, slots, closes, pump, settle,
    async start(cursor: string | null = null): Promise<void> {
      pump.start();
      opens.open[0].ok(() => cursor);
      await settle();
    },
    async give(batch: Partial<EffectBatch> & { position: string }): Promise<void> {
      const shard = batch.shard ?? 0;
      reads.open.find(({ args }) => args.shard === shard)!.ok(batchOf({ shard, ...batch }));
      await settle();
    },
    async written(shard = 0, report: Partial<WriteReport> = {}): Promise<void> {
      const call = writes.open.find(({ args }) => args.shard === shard)!;
      call.ok({ written: call.args.windowCount, setAside: [], ...report });
      await settle();
    },
    async writeFails(error: unknown, shard = 0): Promise<void> {
      writes.open.find(({ args }) => args.shard === shard)!.fail(error);
      await settle();
    },
    /** Lets the wait before it pass and opens the writer again. */
    async reopen(cursor: (shard: number) => string | null): Promise<void> {
      await time.advanceSettled(250);
      opens.open[0].ok(cursor);
      await settle();
    },
    /** Positions that are being written, by shard. */
    writing: () => writes.open.map(({ args }) => `${args.shard}:${args.position}`),
    readingFrom: () => reads.open.map(({ args }) => `${args.shard}:${args.position}`),
  };
}

function batchOf(batch: Partial<EffectBatch> & { position: string }): EffectBatch {
  return { shard: 0, isLast: false, windows: new ArrayBuffer(8), windowCount: 10, regionWindows: [], anomalies: [], deadLetters: [], alerts: [], billing: [], ...batch };
}

function regionWindow(sumPowerKw: number): SentRegionWindow {
  return {
    region: KEY.region, granularity: '1m', windowStart: KEY.windowStart, windowEnd: KEY.windowStart + 60_000, metersReporting: 1, sumPowerKw, avgPowerKw: sumPowerKw,
    minPowerKw: 0, maxPowerKw: sumPowerKw, energyKwhSum: 0, capacityKw: null, loadPercent: null, final: true, revision: null,
  };
}

const nothingNew = (position: string) => ({ position, isLast: true, windowCount: 0, windows: new ArrayBuffer(0) });

describe('a pump', () => {
  it('asks each shard from the cursor that the writer gives, once it is open', async () => {
    const { pump, opens, reads, settle, readingFrom } = pumpOf({ shards: 2, windowsPerBatch: 7 });
    pump.start();
    await settle();
    expect(reads.made).toBe(0);
    expect(pump.figures().state).toBe('connecting');
    opens.open[0].ok((shard) => (shard === 0 ? 'a' : null));
    await settle();
    expect(readingFrom()).toEqual(['0:a', '1:null']);
    expect(reads.open[0].args.windowsMax).toBe(7);
    expect(pump.figures().state).toBe('running');
  });

  it('reads one batch ahead of the one that is written, and not a second', async () => {
    const { start, give, written, writing, readingFrom, reads, time, pump } = pumpOf();
    await start('a');
    await give({ position: 'b' });
    expect([writing(), readingFrom()]).toEqual([['0:b'], ['0:b']]);
    await give({ position: 'c' });
    await time.advanceSettled(10_000);
    expect([writing(), readingFrom()]).toEqual([['0:b'], []]);
    expect(pump.figures().shards[0].batchesHeld).toBe(2);
    await written();
    expect([writing(), readingFrom()]).toEqual([['0:c'], ['0:c']]);
    expect(reads.made).toBe(3);
  });

  it('moves shards on independently: neither a slow read nor a slow write of one holds up another', async () => {
    const { start, give, written, writing, readingFrom } = pumpOf({ shards: 3 });
    await start('a');
    await give({ shard: 1, position: 'b' });
    await give({ shard: 2, position: 'b' });
    await written(2);
    await give({ shard: 2, position: 'c' });
    expect(writing()).toEqual(['1:b', '2:c']);
    expect(readingFrom()).toEqual(['0:a', '1:b', '2:c']);
  });

  it('asks an idle shard every idleMs', async () => {
    const { start, give, reads, time, writes } = pumpOf({ idleMs: 200 });
    await start('a');
    await give(nothingNew('a'));
    await time.advanceSettled(199);
    expect(reads.made).toBe(1);
    await time.advanceSettled(1);
    expect(reads.made).toBe(2);
    expect(writes.made).toBe(0);
  });

  it('does not spin on a shard that has more and gives nothing', async () => {
    const { start, give, reads, time } = pumpOf();
    await start('a');
    await give({ ...nothingNew('a'), isLast: false });
    expect(reads.made).toBe(1);
    await time.advanceSettled(200);
    expect(reads.made).toBe(2);
  });

  it('writes a batch without rows whose position moved: the cursor goes with it', async () => {
    const { start, give, writing } = pumpOf();
    await start(null);
    await give(nothingNew('a'));
    expect(writing()).toEqual(['0:a']);
  });

  it('acknowledges what is written and nothing before that, every 500 ms while there is more, at once when there is not', async () => {
    const { start, give, written, acknowledged, time } = pumpOf();
    await start('a');
    await give({ position: 'b' });
    expect(acknowledged).toEqual([]);
    await written();
    expect(acknowledged).toEqual(['0:b']);
    await give({ position: 'c' });
    await written();
    await give({ position: 'd' });
    await written();
    await time.advanceSettled(499);
    expect(acknowledged).toEqual(['0:b']);
    await time.advanceSettled(1);
    expect(acknowledged).toEqual(['0:b', '0:d']);
    await give({ position: 'e', isLast: true });
    await written();
    expect(acknowledged).toEqual(['0:b', '0:d', '0:e']);
  });

  it('acknowledges again to a shard that was away meanwhile', async () => {
    const { start, give, written, acknowledged, reads, time, settle } = pumpOf();
    await start('a');
    await give({ position: 'b', isLast: true });
    await written();
    await time.advanceSettled(200);
    reads.open[0].fail(AWAY);
    await settle();
    await time.advanceSettled(250);
    await give(nothingNew('b'));
    expect(acknowledged).toEqual(['0:b', '0:b']);
  });

  it('keeps figures', async () => {
    const { start, give, written, pump, time } = pumpOf({ shards: 2 });
    await start('a');
    await time.advanceSettled(1_000);
    expect(pump.figures().lagMs).toBe(1_000);
    await give({ position: 'b', isLast: true });
    await give({ shard: 1, ...nothingNew('a') });
    await time.advanceSettled(50);
    await written(0, { written: 9, setAside: [{ what: '1m window', reason: 'no' }] });
    const [first, second] = pump.figures().shards;
    // Both were last caught up when they were asked what was then answered: at the start.
    expect(first).toEqual({ shard: 0, state: 'running', positionAgeMs: 1_050, lagMs: 0, batchesHeld: 0, batches: 1, rows: 9, setAside: 1, failures: 0 });
    expect(second).toMatchObject({ batches: 0, lagMs: 0 });
    expect(pump.figures()).toMatchObject({ sink: 'timescale', state: 'running', lagMs: 0, lastError: null });
  });
});

describe('a pump with alerts', () => {
  const alerts = [exampleAlert()];

  it('asks for them from their own cursor, and writes them beside the shards in the slot behind theirs', async () => {
    const { start, give, written, writing, writes, readingFrom, slots, acknowledged } = pumpOf({ shards: 2, supervisors: [ALERTS_LANE] });
    await start('a');
    expect(readingFrom()).toEqual(['0:a', '1:a', '-1:a']);
    await give({ shard: 1, position: 'b' });
    await give({ shard: ALERTS_LANE, ...nothingNew('c'), alerts });
    expect([writing(), slots]).toEqual([['1:b', '-1:c'], [1, 2]]);
    expect(writes.open[1].args).toMatchObject({ shard: ALERTS_LANE, alerts, windowCount: 0, anomalies: [] });
    await written(ALERTS_LANE, { written: 1 });
    expect(acknowledged).toEqual(['-1:c']);
  });

  it('has a lane and a slot for each supervisor', async () => {
    const { start, give, written, writing, writes, readingFrom, slots, acknowledged } = pumpOf({ shards: 1, supervisors: [BILLING_LANE] });
    await start('a');
    expect(readingFrom()).toEqual(['0:a', '-2:a']);
    const billing = [priceEvent(examplePrice())];
    await give({ shard: BILLING_LANE, ...nothingNew('c'), billing });
    expect(writes.open[0].args).toMatchObject({ shard: BILLING_LANE, billing, alerts: [] });
    await written(BILLING_LANE, { written: 1 });
    expect(acknowledged).toEqual(['-2:c']);
    const both = pumpOf({ shards: 1, supervisors: [ALERTS_LANE, BILLING_LANE] });
    await both.start('a');
    await both.give({ shard: BILLING_LANE, ...nothingNew('c'), billing });
    await both.give({ shard: ALERTS_LANE, ...nothingNew('c'), alerts });
    await both.give({ position: 'b' });
    expect([writing(), slots, both.writing(), both.slots]).toEqual([[], [1], ['-2:c', '-1:c', '0:b'], [2, 1, 0]]);
  });

  it('does not give bills up that stay at the same position', async () => {
    const { start, give, failures } = pumpOf({ shards: 0, supervisors: [BILLING_LANE] });
    await start('a');
    await give({ shard: BILLING_LANE, ...nothingNew('a'), billing: [priceEvent(examplePrice())] });
    expect(failures).toMatchObject([{ message: expect.stringContaining('the tariff supervisor gives effects and stays at the same position') }]);
  });

  it('is caught up when nothing changes, and behind while something is not written', async () => {
    const { start, give, written, pump, time } = pumpOf({ shards: 1, supervisors: [ALERTS_LANE] });
    await start('a');
    await give(nothingNew('a'));
    await time.advanceSettled(1_000);
    expect(pump.figures().lagMs).toBe(1_000);
    await give({ shard: ALERTS_LANE, ...nothingNew('a') });
    expect(pump.figures()).toMatchObject({ state: 'running', lagMs: 0 });
    await time.advanceSettled(200);
    await give({ shard: ALERTS_LANE, ...nothingNew('b'), alerts });
    expect(pump.figures().lagMs).toBeGreaterThan(0);
    await written(ALERTS_LANE, { written: 1 });
    expect(pump.figures().lagMs).toBe(0);
    expect(pump.figures().shards.find(({ shard }) => shard === ALERTS_LANE)).toMatchObject({ rows: 1, batches: 1, failures: 0 });
  });

  it('goes on with the shards while the alerts are away, and with the alerts afterwards', async () => {
    const { start, give, written, writing, reads, settle, time, lines } = pumpOf({ shards: 1, supervisors: [ALERTS_LANE] });
    await start('a');
    reads.open.find(({ args }) => args.shard === ALERTS_LANE)!.fail(AWAY);
    await settle();
    await give({ position: 'b' });
    await written();
    expect(lines.map(({ message }) => message)).toEqual(['the alerts supervisor does not say what changed: connection refused']);
    await time.advanceSettled(250);
    await give({ shard: ALERTS_LANE, ...nothingNew('c'), alerts });
    expect(writing()).toEqual(['-1:c']);
    expect(lines.at(-1)?.message).toBe('the alerts supervisor says again what changed');
  });

  it('does not give effects up that stay at the same position', async () => {
    const { start, give, failures } = pumpOf({ shards: 0, supervisors: [ALERTS_LANE] });
    await start('a');
    await give({ shard: ALERTS_LANE, ...nothingNew('a'), alerts });
    expect(failures).toMatchObject([{ message: expect.stringContaining('the alerts supervisor gives effects and stays at the same position') }]);
  });

  it('stands in line with partitions where all share some slots', async () => {
    const { start, give, written, writing, pump, opens, settle, time } = pumpOf({ shards: 0, supervisors: [ALERTS_LANE], slots: 1 });
    await start('a');
    pump.shardUp(7);
    await time.advanceSettled(0);
    opens.open[0].ok(() => 'a');
    await settle();
    await give({ shard: 7, position: 'b', isLast: true });
    await give({ shard: ALERTS_LANE, ...nothingNew('c'), alerts });
    expect(writing()).toEqual(['7:b']);
    await written(7);
    expect(writing()).toEqual(['-1:c']);
  });
});

describe('a pump whose writer fails', () => {
  it('opens it again and writes the same batch again, read ahead or not', async () => {
    const { start, give, writeFails, reopen, writing, writes, opens, time, reads } = pumpOf();
    await start('a');
    await give({ position: 'b', windowCount: 3 });
    const first = writes.open[0].args;
    await give({ position: 'c' });
    await writeFails(AWAY);
    expect([writing(), opens.open.length]).toEqual([[], 0]);
    await reopen(() => 'a');
    await time.advanceSettled(250);
    expect(writing()).toEqual(['0:b']);
    expect(writes.open[0].args).toEqual(first);
    expect(writes.open[0].args.windows).toBe(first.windows);
    expect([opens.made, reads.made]).toEqual([2, 2]);
  });

  it('takes a batch for written when the cursor says that it was committed although the answer was lost', async () => {
    const { start, give, writeFails, reopen, writing, acknowledged, pump } = pumpOf();
    await start('a');
    await give({ position: 'b', windowCount: 3 });
    await give({ position: 'c' });
    await writeFails(AWAY);
    expect(acknowledged).toEqual([]);
    await reopen(() => 'b');
    expect(writing()).toEqual(['0:c']);
    expect(acknowledged).toEqual(['0:b']);
    expect(pump.figures().shards[0]).toMatchObject({ batches: 1, rows: 3, failures: 1, state: 'running' });
  });

  it('goes on where it was when the writer keeps no cursor', async () => {
    const { start, give, written, writeFails, reopen, writing, time } = pumpOf();
    await start(null);
    await give({ position: 'b' });
    await written();
    await give({ position: 'c' });
    await writeFails(AWAY);
    await reopen(() => null);
    await time.advanceSettled(250);
    expect(writing()).toEqual(['0:c']);
  });

  it('drops what it has read when the cursor is somewhere else, and what a read under way gives', async () => {
    const { start, give, written, writeFails, reopen, writing, readingFrom, acknowledged, pump } = pumpOf();
    await start('a');
    await give({ position: 'b' });
    await written();
    await give({ position: 'c' });
    await writeFails(AWAY);
    expect(readingFrom()).toEqual(['0:c']);
    await reopen(() => 'a');
    expect(pump.figures().shards[0].batchesHeld).toBe(1);
    await give({ position: 'd' });
    expect([writing(), readingFrom()]).toEqual([[], ['0:a']]);
    await give({ position: 'b' });
    expect(writing()).toEqual(['0:b']);
    expect(acknowledged).toEqual(['0:b']);
  });

  it('waits longer after each failure, by chance over all of it, and not longer than backoffMaxMs', async () => {
    const draws: number[] = [];
    const { pump, opens, time, settle } = pumpOf({ backoffMinMs: 100, backoffMaxMs: 800 }, () => draws.shift() ?? 0.999_999);
    pump.start();
    draws.push(0.5);
    for (const waitMs of [50, 200, 400, 800, 800]) {
      opens.open[0].fail(AWAY);
      await settle();
      expect(pump.figures().state).toBe('waiting');
      await time.advanceSettled(waitMs - 1);
      expect(opens.open).toEqual([]);
      await time.advanceSettled(1);
      expect(opens.open).toHaveLength(1);
    }
    expect(pump.figures()).toMatchObject({ openFailures: 5, lastError: { code: 'unavailable', message: 'connection refused' } });
  });

  it('backs off from a batch that fails again and again although the writer opens', async () => {
    const { start, give, writeFails, reopen, writes, time } = pumpOf({ backoffMinMs: 100, backoffMaxMs: 60_000 }, () => 0.999_999);
    await start('a');
    await give({ position: 'b' });
    for (const waitMs of [100, 200, 400, 800]) {
      await writeFails(AWAY);
      const failedAtMs = time.monotonic();
      await time.advanceSettled(100);
      await reopen(() => 'a');
      while (writes.open.length === 0) await time.advanceSettled(1);
      expect(time.monotonic() - failedAtMs).toBeGreaterThanOrEqual(Math.min(waitMs, 350));
      expect(time.monotonic() - failedAtMs).toBeLessThanOrEqual(Math.max(waitMs + 1, 350));
    }
  });

  it('lets the writes under way end before it opens again, and begins none', async () => {
    const { start, give, written, writeFails, writing, opens, time } = pumpOf({ shards: 3 });
    await start('a');
    await give({ shard: 0, position: 'b' });
    await give({ shard: 1, position: 'b' });
    await writeFails(AWAY, 0);
    await give({ shard: 2, position: 'b' });
    await time.advanceSettled(60_000);
    expect([writing(), opens.made]).toEqual([['1:b'], 1]);
    await written(1);
    await time.advanceSettled(250);
    expect(opens.made).toBe(2);
    opens.open[0].ok((shard) => (shard === 1 ? 'b' : 'a'));
    await time.advanceSettled(250);
    expect(writing().sort()).toEqual(['0:b', '2:b']);
  });

  it('says once that it is away and once, when all is caught up, that it is back', async () => {
    const { start, give, written, writeFails, reopen, lines, opens, time, settle } = pumpOf({}, () => 0.999_999);
    await start('a');
    await give({ position: 'b' });
    await give({ position: 'c' });
    await writeFails(AWAY);
    await time.advanceSettled(250);
    opens.open[0].fail(AWAY);
    await settle();
    await time.advanceSettled(250);
    await reopen(() => 'a');
    await written(0, { written: 11 });
    expect(lines.map(({ level }) => level)).toEqual(['warn']);
    expect(lines[0]).toMatchObject({ message: expect.stringContaining('timescale is away: connection refused'), fields: { code: 'unavailable', shard: 0 } });
    await written(0, { written: 12 });
    await give({ ...nothingNew('c') });
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatchObject({ level: 'info', fields: { awayMs: 750, rows: 23, isCaughtUp: true } });
    await time.advanceSettled(200);
    await give({ position: 'd', isLast: true });
    await writeFails(AWAY);
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'info', 'warn']);
  });

  it('says after a minute that it is back when catching up takes longer', async () => {
    const { start, give, written, writeFails, reopen, lines, time } = pumpOf();
    await start('a');
    await give({ position: 'b0' });
    await writeFails(AWAY);
    await reopen(() => 'a');
    await time.advanceSettled(250);
    for (let i = 1; i <= 70; i++) {
      await give({ position: `b${i}` });
      await written();
      await time.advanceSettled(1_000);
    }
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'info']);
    expect(lines[1].fields).toMatchObject({ isCaughtUp: false });
    expect(lines[1].message).toContain('so far');
  });

  it('stays up when the writer needs an operator: says so once, tries again every 60 s, and goes on when it is mended', async () => {
    const { pump, opens, time, settle, lines, failures, readingFrom } = pumpOf();
    pump.start();
    for (let attempt = 0; attempt < 3; attempt++) {
      opens.open[0].fail(DENIED);
      await settle();
      expect(pump.figures()).toMatchObject({ state: 'failed', lastError: { code: 'permission_denied' } });
      await time.advanceSettled(59_999);
      expect(opens.open).toEqual([]);
      await time.advanceSettled(1);
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'error', message: expect.stringContaining('GRANT INSERT ON aggregates_1m') });
    opens.open[0].ok(() => 'a');
    await settle();
    expect(readingFrom()).toEqual(['0:a']);
    expect(failures).toEqual([]);
  });

  it('keeps a batch that needs an operator, with the other shards going on', async () => {
    const { start, give, written, writeFails, reopen, writing, pump, time } = pumpOf({ shards: 2 });
    await start('a');
    await give({ position: 'b' });
    await give({ shard: 1, position: 'b' });
    await written(1);
    await writeFails(DENIED);
    await reopen((shard) => (shard === 0 ? 'a' : 'b'));
    await give({ shard: 1, position: 'c' });
    expect(writing()).toEqual(['1:c']);
    expect(pump.figures().shards.map(({ state }) => state)).toEqual(['failed', 'running']);
    expect(pump.figures().state).toBe('failed');
    await time.advanceSettled(59_750);
    expect(writing().sort()).toEqual(['0:b', '1:c']);
  });

  it('takes an error that nobody planned for like one that needs an operator', async () => {
    const { pump, opens, settle, lines, failures } = pumpOf();
    pump.start();
    opens.open[0].fail(new TypeError('x is not a function'));
    await settle();
    expect(pump.figures()).toMatchObject({ state: 'failed', lastError: { code: 'internal', message: 'x is not a function' } });
    expect(lines).toMatchObject([{ level: 'error' }]);
    expect(failures).toEqual([]);
  });
});

describe('a pump whose shards are away', () => {
  it('backs off from that shard alone, and says so once and once that it is back', async () => {
    const { start, give, reads, settle, time, lines, pump, readingFrom } = pumpOf({ shards: 2 }, () => 0.999_999);
    await start('a');
    for (const waitMs of [250, 500]) {
      reads.open.find(({ args }) => args.shard === 0)!.fail(AWAY);
      await settle();
      expect(pump.figures().shards.map(({ state }) => state)).toEqual(['waiting', 'running']);
      await time.advanceSettled(waitMs - 1);
      expect(readingFrom()).toEqual(['1:a']);
      await time.advanceSettled(1);
      expect(readingFrom().sort()).toEqual(['0:a', '1:a']);
    }
    await give(nothingNew('a'));
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ['warn', 'shard 0 does not say what changed: connection refused'],
      ['info', 'shard 0 says again what changed'],
    ]);
    expect(pump.figures().shards[0]).toMatchObject({ state: 'running', failures: 2 });
  });

  it('leaves the writer alone when regional windows cannot be had, and asks again', async () => {
    const { start, give, asks, settle, time, opens, lines, pump, writing } = pumpOf();
    await start('a');
    await give({ position: 'b', regionWindows: [KEY], isLast: true });
    asks.open[0].fail(AWAY);
    await settle();
    expect(pump.figures()).toMatchObject({ state: 'waiting', lastError: { code: 'unavailable' } });
    await time.advanceSettled(250);
    asks.open[0].ok([regionWindow(1)]);
    await settle();
    expect(writing()).toEqual(['0:b']);
    expect(opens.made).toBe(1);
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'info']);
  });

  it('hands a broken promise of the source to its thread and does no more', async () => {
    const { start, give, failures, pump, reads, time, writes } = pumpOf();
    await start('a');
    await give({ position: 'a' });
    expect(failures).toMatchObject([{ message: expect.stringContaining('stays at the same position') }]);
    await time.advanceSettled(60_000);
    expect(pump.figures().state).toBe('failed');
    expect([reads.made, writes.made, time.timersPending]).toEqual([1, 0, 0]);
  });
});

describe('regional windows', () => {
  it('are asked for as the batch is written, and left out of what is handed on when they are no more', async () => {
    const { start, give, asks, settle, writes } = pumpOf();
    await start('a');
    await give({ position: 'b', regionWindows: [KEY, { ...KEY, windowStart: 120_000 }] });
    expect(asks.open[0].args).toEqual([KEY, { ...KEY, windowStart: 120_000 }]);
    asks.open[0].ok([regionWindow(7)]);
    await settle();
    expect(writes.open[0].args).toEqual({ ...batchOf({ position: 'b' }), isLast: undefined, regionWindows: [regionWindow(7)] });
  });

  it('are asked for anew when the batch is written again', async () => {
    const { start, give, asks, settle, writes, writeFails, reopen, time } = pumpOf();
    await start('a');
    await give({ position: 'b', regionWindows: [KEY] });
    asks.open[0].ok([regionWindow(1)]);
    await settle();
    await writeFails(AWAY);
    await reopen(() => 'a');
    await time.advanceSettled(250);
    asks.open[0].ok([regionWindow(2)]);
    await settle();
    expect(writes.open[0].args.regionWindows).toEqual([regionWindow(2)]);
  });

  it('of one region are asked for by a shard only after another has written them', async () => {
    const { start, give, asks, settle, written, writing } = pumpOf({ shards: 3 });
    await start('a');
    await give({ shard: 0, position: 'b', regionWindows: [KEY] });
    await give({ shard: 1, position: 'b', regionWindows: [KEY] });
    await give({ shard: 2, position: 'b', regionWindows: [{ ...KEY, region: 'south' }] });
    expect(asks.open).toHaveLength(2);
    for (const ask of [...asks.open]) ask.ok([]);
    await settle();
    expect(writing()).toEqual(['0:b', '2:b']);
    await written(0);
    expect(asks.open.map(({ args }) => args)).toEqual([[KEY]]);
  });

  it('of a batch whose outcome is not known are kept from others until the writer is open again', async () => {
    const { start, give, asks, settle, writeFails, reopen, opens, time } = pumpOf({ shards: 2 });
    await start('a');
    await give({ shard: 0, position: 'b', regionWindows: [KEY] });
    asks.open[0].ok([]);
    await settle();
    await give({ shard: 1, position: 'b', regionWindows: [KEY] });
    await writeFails(AWAY);
    await time.advanceSettled(250);
    expect(asks.made).toBe(1);
    opens.open[0].fail(AWAY);
    await settle();
    await time.advanceSettled(250);
    await reopen(() => 'a');
    // Which of the two comes first does not matter; one at a time does.
    expect(asks.open).toHaveLength(1);
  });
});

describe('lines about a write that is traced', () => {
  it.each([
    ['a failure', async ({ writeFails }: ReturnType<typeof pumpOf>) => writeFails(AWAY)],
    ['a row that is set aside', async ({ written }: ReturnType<typeof pumpOf>) => written(0, { setAside: [{ what: '1m window m', reason: 'numeric out of range' }] })],
  ])('have the ids of its span, and none where tracing is off: %s', async (_, end) => {
    for (const tracing of [new RecordedTracing(), null]) {
      const pump = pumpOf({}, undefined, tracing);
      await pump.start('a');
      await pump.give({ position: 'b', traces: [traceparentOf(1)] });
      await end(pump);
      const { traceId, spanId } = pump.lines[0].fields;
      expect(pump.lines).toHaveLength(1);
      expect([traceId, spanId]).toEqual(tracing === null ? [undefined, undefined] : tracing.named('write timescale')[0].traceparent.split('-').slice(1, 3));
    }
  });

  it('have none where the write of that batch is not traced', async () => {
    const { start, give, writeFails, lines } = pumpOf({}, undefined, new RecordedTracing());
    await start('a');
    await give({ position: 'b' });
    await writeFails(AWAY);
    expect(Object.keys(lines[0].fields)).toEqual(['sink', 'shard', 'code', 'error']);
  });
});

describe('rows set aside', () => {
  it('are logged, ten a minute at most, and then counted', async () => {
    const { start, give, written, lines, time } = pumpOf();
    await start('a');
    await give({ position: 'b' });
    const setAside = Array.from({ length: 14 }, (_, i) => ({ what: `1m window m${i}`, reason: 'numeric out of range' }));
    await written(0, { setAside });
    expect(lines).toHaveLength(10);
    expect(lines[0]).toMatchObject({ level: 'warn', fields: { what: '1m window m0', reason: 'numeric out of range', shard: 0 } });
    await time.advanceSettled(60_000);
    expect(lines[10]).toMatchObject({ level: 'warn', fields: { rows: 4 } });
    await give({ position: 'c' });
    await written(0, { setAside: setAside.slice(0, 1) });
    expect(lines).toHaveLength(12);
    await time.advanceSettled(60_000);
    expect(lines).toHaveLength(12);
  });
});

describe('stopping a pump', () => {
  it('lets the batch under way end, acknowledges it, begins no other and closes the writer', async () => {
    const { start, give, writes, pump, closes, acknowledged, settle, time, reads } = pumpOf();
    await start('a');
    await give({ position: 'b' });
    await give({ position: 'c' });
    const stopped = pump.stop(5_000);
    await settle();
    expect(closes.made).toBe(0);
    writes.open[0].ok({ written: 10, setAside: [] });
    await settle();
    expect(acknowledged).toEqual(['0:b']);
    expect(closes.made).toBe(1);
    closes.open[0].ok();
    await stopped;
    expect([writes.made, reads.made, time.timersPending]).toEqual([1, 2, 0]);
    expect(pump.stop(1)).toBe(stopped);
  });

  it('leaves a write behind that does not end in time, without acknowledging it, and a writer that does not close', async () => {
    const { start, give, pump, closes, writes, acknowledged, lines, time } = pumpOf();
    await start('a');
    await give({ position: 'b' });
    const stopped = pump.stop(5_000);
    await time.advanceSettled(5_000);
    expect(closes.made).toBe(1);
    await time.advanceSettled(0);
    await stopped;
    writes.open[0].ok({ written: 1, setAside: [] });
    await time.advanceSettled(60_000);
    expect(acknowledged).toEqual([]);
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'warn']);
    expect(time.timersPending).toBe(0);
  });

  it('does not write what waits for its regional windows', async () => {
    const { start, give, pump, asks, closes, writes, settle } = pumpOf();
    await start('a');
    await give({ position: 'b', regionWindows: [KEY] });
    const stopped = pump.stop(5_000);
    await settle();
    closes.open[0].ok();
    await stopped;
    asks.open[0].ok([]);
    await settle();
    expect(writes.made).toBe(0);
  });

  it('ends while it waits to connect, and while it connects', async () => {
    const waiting = pumpOf();
    waiting.pump.start();
    waiting.opens.open[0].fail(AWAY);
    await waiting.settle();
    const stopped = waiting.pump.stop(5_000);
    await waiting.settle();
    waiting.closes.open[0].fail(new Error('was never open'));
    await stopped;
    await waiting.time.advanceSettled(60_000);
    expect(waiting.opens.made).toBe(1);

    const connecting = pumpOf();
    connecting.pump.start();
    const ended = connecting.pump.stop(5_000);
    await connecting.settle();
    expect(connecting.closes.made).toBe(0);
    connecting.opens.open[0].ok(() => null);
    await connecting.settle();
    connecting.closes.open[0].ok();
    await ended;
    expect(connecting.reads.made).toBe(0);
  });

  it('is done at once when it was never started', async () => {
    const { pump, closes } = pumpOf();
    await pump.stop(5_000);
    expect(closes.made).toBe(0);
  });
});

describe('a pump whose shards come and go', () => {
  it('opens the writer again for one that comes, when the writes under way have ended, and begins where the cursor is by then', async () => {
    const { start, give, written, opens, pump, settle, writing, readingFrom } = pumpOf({ shards: 0, slots: 2 });
    await start('a');
    expect(pump.figures()).toMatchObject({ state: 'running', lagMs: 0, shards: [] });
    pump.shardUp(5);
    await settle();
    opens.open[0].ok(() => 'b');
    await settle();
    await give({ shard: 5, position: 'c' });
    pump.shardUp(7);
    pump.shardUp(7);
    await settle();
    expect([opens.open.length, writing()]).toEqual([0, ['5:c']]);
    await written(5);
    expect(opens.open.length).toBe(1);
    opens.open[0].ok((shard) => (shard === 5 ? 'c' : 'x'));
    await settle();
    expect(readingFrom()).toEqual(['5:c', '7:x']);
  });

  it('lets the write of one that goes end, says so, and keeps what it counted', async () => {
    const { start, give, written, acknowledged, pump, settle, time, reads } = pumpOf({ shards: 2, slots: 2 });
    await start('a');
    await give({ shard: 1, position: 'b' });
    pump.shardDown(1);
    pump.shardDown(1);
    await settle();
    await written(1);
    expect(acknowledged).toEqual(['1:b']);
    expect(pump.figures()).toMatchObject({ shards: [{ shard: 0 }], gone: { batches: 1, rows: 10 } });
    const before = reads.made;
    await give({ shard: 1, position: 'c' });
    await time.advanceSettled(60_000);
    expect(reads.made).toBe(before);
    expect(pump.figures().gone).toMatchObject({ batches: 1, rows: 10 });
  });

  it('does not write for one that came back before its old write has ended', async () => {
    const { start, give, written, opens, pump, settle, writing, reads, failures } = pumpOf({ shards: 1, slots: 2 });
    await start('a');
    await give({ position: 'b' });
    pump.shardDown(0);
    pump.shardUp(0);
    await settle();
    expect(opens.open).toEqual([]);
    await written();
    opens.open[0].ok(() => 'b');
    await settle();
    reads.open[0].ok(batchOf({ position: 'old' }));
    await settle();
    expect(writing()).toEqual([]);
    await give({ position: 'c' });
    expect([writing(), failures]).toEqual([['0:c'], []]);
  });

  it('has as many writes under way as there are slots, and the next shard in line writes when one is free', async () => {
    const { start, give, written, writeFails, writing, reopen, pump, settle } = pumpOf({ shards: 4, slots: 2 });
    await start('a');
    for (const shard of [0, 1, 2, 3]) await give({ shard, position: 'b' });
    expect(writing()).toEqual(['0:b', '1:b']);
    await written(0);
    expect(writing()).toEqual(['1:b', '2:b']);
    pump.shardDown(3);
    await settle();
    await writeFails(AWAY, 1);
    await written(2);
    await reopen((shard) => (shard === 1 ? 'a' : 'b'));
    expect(writing()).toEqual(['1:b']);
    await give({ shard: 2, position: 'c' });
    expect(writing()).toEqual(['1:b', '2:c']);
  });

  it('gives its slot up when regional windows are not to be had', async () => {
    const { start, give, asks, settle, writing, time } = pumpOf({ shards: 2, slots: 1, hasRegionRevisions: true });
    await start('a');
    await give({ shard: 0, position: 'b', regionWindows: [KEY] });
    await give({ shard: 1, position: 'b' });
    expect([asks.open.length, writing()]).toEqual([1, []]);
    asks.open[0].fail(AWAY);
    await settle();
    expect(writing()).toEqual(['1:b']);
    await time.advanceSettled(250);
    expect(asks.open.length).toBe(0);
  });

  it('does not make shards wait for each other where regional windows carry a revision', async () => {
    const { start, give, asks } = pumpOf({ shards: 2, hasRegionRevisions: true });
    await start('a');
    for (const shard of [0, 1]) await give({ shard, position: 'b', regionWindows: [KEY] });
    expect(asks.open.length).toBe(2);
  });
});
