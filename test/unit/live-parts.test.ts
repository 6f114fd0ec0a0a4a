import { describe, expect, test } from 'vitest';
import { RegionState } from '../../src/actors/region/state.ts';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import { ClosedWindows } from '../../src/engine/closed-windows.ts';
import { liveConnectionsMax } from '../../src/engine/live-connections.ts';
import { LiveBacklog } from '../../src/http/live-backlog.ts';
import { LiveChanges, type LiveItem } from '../../src/http/live-changes.ts';
import { LiveChannel, type ChannelFeed } from '../../src/http/live-channel.ts';
import { MeterRounds } from '../../src/http/live-meter-rounds.ts';
import { MeterWatch } from '../../src/http/live-meter-watch.ts';
import { LiveReader, type Outlet } from '../../src/http/live-reader.ts';
import { LiveTurns } from '../../src/http/live-turns.ts';
import { LiveView } from '../../src/http/live-view.ts';
import { OPEN_PRINCIPAL } from '../../src/model/access.ts';
import type { MeterId } from '../../src/model/ids.ts';
import { nullLog, type Log } from '../../src/runtime/log.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { FakeGrid } from '../support/fake-grid.ts';

describe('turns', () => {
  /** Serving one takes `serveMs`. */
  function turns(count: number, serveMs: number) {
    const time = new VirtualTime();
    let spentMs = 0;
    const clock = { now: () => time.now(), monotonic: () => time.monotonic() + spentMs };
    const served: { reader: number; atMs: number; version: number }[] = [];
    let changes = 0;
    let version = 0;
    const live = new LiveTurns<number>({
      clock,
      timers: time,
      nextTurn: (fn) => void time.after(0, fn),
      turnMs: 200,
      advance() {
        const hasChanged = changes > 0;
        if (hasChanged) version++;
        changes = 0;
        return hasChanged;
      },
      readers: () => Array.from({ length: count }, (_, i) => i),
      serve: (reader) => {
        spentMs += serveMs;
        served.push({ reader, atMs: time.monotonic(), version });
      },
    });
    const change = (): void => {
      changes = 1;
      live.pending();
    };
    return { time, live, served, change };
  }

  test('after a quiet time two changes go out at once, further ones together when it is time', () => {
    const { time, served, change } = turns(1, 0);
    const times = (): number[] => served.map(({ atMs }) => atMs);
    time.advance(5_000);
    change();
    change();
    expect(served).toEqual([]);
    time.advance(0);
    expect(times()).toEqual([5_000]);
    time.advance(10);
    change();
    time.advance(0);
    expect(times()).toEqual([5_000, 5_010]);
    change();
    time.advance(100);
    change();
    time.advance(89);
    expect(served).toHaveLength(2);
    time.advance(1);
    expect(times()).toEqual([5_000, 5_010, 5_200]);
    change();
    time.advance(199);
    expect(served).toHaveLength(3);
    time.advance(1);
    expect(times().at(-1)).toBe(5_400);
    time.advance(400);
    expect(served).toHaveLength(4);
    change();
    time.advance(0);
    change();
    time.advance(0);
    expect(times().slice(4)).toEqual([5_800, 5_800]);
  });

  test('others have their turn while very many are served, and each is served once', () => {
    const { time, served, change } = turns(1_000, 1);
    change();
    let others = 0;
    const other = (): void => {
      if (served.length === 1_000) return;
      others++;
      time.after(0, other);
    };
    time.after(0, other);
    time.advance(0);
    expect(served.map(({ reader }) => reader)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    expect(others).toBeGreaterThan(30);
  });

  test('what changes while readers are served is at each of them when their turn comes, and at none later than a round after', () => {
    const readers = 1_000;
    const slice = 16;
    const { time, served, change } = turns(readers, 1);
    change();
    let changedAt = 0;
    const changeAfter = (): void => {
      if (served.length < 300) time.after(0, changeAfter);
      else {
        changedAt = served.length;
        change();
      }
    };
    time.after(0, changeAfter);
    time.advance(0);
    // The rest of the round has it, but for those whose turn came with the change.
    expect(served.slice(changedAt + slice, readers).map(({ version }) => version)).toEqual(Array(readers - changedAt - slice).fill(2));
    const has = new Set(served.filter(({ version }) => version === 2).map(({ reader }) => reader));
    expect(has.size).toBe(readers);
    const last = served.findLastIndex(({ reader }) => reader < changedAt + slice && reader >= changedAt - slice);
    expect(last).toBeLessThan(changedAt + readers + slice);
    // Everybody has it, and nobody is served without need.
    time.advance(5_000);
    expect(served).toHaveLength(2 * readers);
  });

  test('changes without end are in every round for everybody, and numbered no more often than messages are worth making', () => {
    const readers = 400;
    const { time, served, change } = turns(readers, 1);
    const again = (): void => {
      change();
      if (served.length < 5 * readers) time.after(0, again);
    };
    again();
    for (let i = 0; i < 20; i++) time.advance(200);
    const rounds = Math.floor(served.length / readers);
    expect(served.map(({ reader }) => reader)).toEqual(Array.from({ length: served.length }, (_, i) => i % readers));
    const newest = Math.max(...served.map(({ version }) => version));
    expect(newest).toBeGreaterThan(rounds);
    expect(newest).toBeLessThanOrEqual(1 + served.length / 25 + rounds);
    expect(served.filter(({ version }) => version === newest).length).toBeGreaterThanOrEqual(readers);
  });

  test('nothing is served any more once it is closed', () => {
    const { time, live, served, change } = turns(40, 1);
    change();
    live.close();
    change();
    time.advance(1_000);
    expect(served).toEqual([]);
  });
});

describe('changes', () => {
  const item = (key: string, value: number, region = 'north'): LiveItem => ({ list: 'l', key, subject: { meterId: null, region: region as never }, toWire: () => ({ key, value }) });
  const all = () => true;

  test('are the newest of each item, in the order in which they last changed', () => {
    const changes = new LiveChanges(10, 0);
    changes.note(item('a', 1), 1);
    changes.note(item('b', 1), 1);
    changes.note(item('a', 2), 2);
    expect(changes.textsSince(0, all, 10)!.get('l')).toEqual(['{"key":"b","value":1}', '{"key":"a","value":2}']);
    expect(changes.textsSince(1, all, 10)!.get('l')).toEqual(['{"key":"a","value":2}']);
    expect(changes.textsSince(2, all, 10)!.size).toBe(0);
    expect(changes.textsSince(0, all, 1)).toBe(null);
    expect(changes.textsSince(0, ({ region }) => region === 'south', 0)!.size).toBe(0);
  });

  test('of the one that is pushed out nothing is known any more, up to its number', () => {
    const changes = new LiveChanges(2, 0);
    for (let seq = 1; seq <= 3; seq++) changes.note(item(`k${seq}`, seq), seq);
    expect(changes.floor).toBe(1);
    changes.note(item('k2', 9), 4);
    changes.note(item('k5', 5), 5);
    expect(changes.floor).toBe(3);
  });

  test('of a few items that change for ever are no more than a few', () => {
    const changes = new LiveChanges(100, 0);
    for (let seq = 1; seq <= 10_000; seq++) changes.note(item(`k${seq % 3}`, seq), seq);
    expect(changes.textsSince(9_997, all, 10)!.get('l')).toEqual([9_998, 9_999, 10_000].map((value) => `{"key":"k${value % 3}","value":${value}}`));
    expect((changes.textsSince(0, all, 10)!.get('l'))).toHaveLength(3);
    expect(changes.floor).toBe(0);
  });
});

describe('a view', () => {
  test('brings a reader to where the channel is, in one message that is made once, whatever was made before', () => {
    let tell!: (item: LiveItem) => void;
    const feed: ChannelFeed = { lists: ['l'], itemsMax: 10, snapshot: () => ({ l: [] }), listen: (changed) => ((tell = changed), () => {}) };
    const channel = new LiveChannel(feed, { firstSeq: 7, changesMax: 100 }, () => {});
    const view = new LiveView('regions', channel, { scope: null, passes: ({ region }) => region === 'north' });
    const change = (key: string, region = 'north'): void => {
      tell({ list: 'l', key, subject: { meterId: null, region: region as never }, toWire: () => ({ key }) });
      channel.advance();
    };
    const sent = (seq: number) => {
      const message = view.messageAfter(seq);
      return message === null ? null : JSON.parse(Buffer.from(message.bytes).toString());
    };
    change('a');
    expect(sent(7)).toEqual({ type: 'update', channel: 'regions', seq: 8, after: 7, data: { l: [{ key: 'a' }] } });
    change('b');
    expect(sent(7)).toEqual({ type: 'update', channel: 'regions', seq: 9, after: 7, data: { l: [{ key: 'a' }, { key: 'b' }] } });
    change('c', 'south');
    expect([sent(9), sent(10)]).toEqual([null, null]);
    change('d');
    // Who heard of 10 and who did not are at the same place.
    expect(sent(9)).toEqual({ type: 'update', channel: 'regions', seq: 11, after: 9, data: { l: [{ key: 'd' }] } });
    expect([view.messageAfter(10), view.snapshot()]).toEqual([view.messageAfter(9), view.snapshot()]);
    expect(view.messageAfter(10)).toBe(view.messageAfter(9));
    expect([view.messageAfter(6), view.messageAfter(12)]).toEqual([view.snapshot(), view.snapshot()]);
    view.close();
    expect(channel.shares.size).toBe(0);
  });
});

describe('what waits for readers', () => {
  function backlog(unsentBytesMax: number) {
    const gone: LiveReader[] = [];
    const closed = new Map<LiveReader, number | 'destroyed'>();
    const live = new LiveBacklog({ softBufferBytes: 100, hardBufferBytes: 1_000, unsentBytesMax, slowMsMax: 30_000 }, {
      log: nullLog,
      gone: (reader) => {
        reader.isGone = true;
        gone.push(reader);
        live.forget(reader);
      },
    });
    const reader = (): LiveReader & { waiting: number } => {
      const outlet: Outlet = {
        together: (sends) => sends(),
      send: ({ length }) => void (made.waiting += length),
        unsentBytes: () => made.waiting,
        end: (code) => void closed.set(made, code),
        destroy: () => void closed.set(made, 'destroyed'),
      };
      const made = Object.assign(new LiveReader(outlet, OPEN_PRINCIPAL, 0), { waiting: 0 });
      return made;
    };
    return { live, gone, closed, reader };
  }
  const bytes = (length: number) => new Uint8Array(length);

  test('is a message of any size, and then no more than fits', () => {
    const { live, reader } = backlog(1_000_000);
    const one = reader();
    expect([live.send(one, bytes(5_000), 0), live.send(one, bytes(1), 0)]).toEqual([true, false]);
    one.waiting = 100;
    expect([live.send(one, bytes(901), 0), live.send(one, bytes(900), 0), live.unsentBytes]).toEqual([false, true, 1_000]);
    one.waiting = 0;
    live.count(one);
    expect(live.unsentBytes).toBe(0);
  });

  test('waits for so long, counted from when the first had to', () => {
    const { live, closed, reader } = backlog(1_000_000);
    const [one, two] = [reader(), reader()];
    for (const each of [one, two]) live.send(each, bytes(200), 0);
    expect([live.send(one, bytes(1), 1_000), live.send(one, bytes(1), 20_000), live.send(two, bytes(1), 1_000)]).toEqual([false, false, false]);
    two.waiting = 0;
    expect(live.send(two, bytes(200), 25_000)).toBe(true);
    expect(live.send(two, bytes(200), 26_000)).toBe(false);
    live.closeSlow(31_000);
    expect(closed.size).toBe(0);
    live.closeSlow(31_001);
    expect([...closed]).toEqual([[one, 1013]]);
    expect([live.closedSlow, live.unsentBytes]).toEqual([1, 200]);
  });

  test('is bounded for all together: those with the most are cut off, the others never notice', () => {
    const { live, closed, reader } = backlog(10_000);
    const quick = Array.from({ length: 50 }, reader);
    const stuck = Array.from({ length: 10 }, reader);
    let most = 0;
    for (let round = 0; round < 100; round++) {
      for (const each of [...quick, ...stuck]) if (!each.isGone) live.send(each, bytes(90), round);
      for (const each of quick) {
        each.waiting = 0;
        live.count(each);
      }
      const late = reader();
      live.send(late, bytes(3_000), round);
      most = Math.max(most, live.unsentBytes);
    }
    expect(most).toBeLessThanOrEqual(10_000);
    expect(quick.some(({ isGone }) => isGone)).toBe(false);
    expect([...closed.values()].every((how) => how === 'destroyed')).toBe(true);
    expect(live.closedSlow).toBeGreaterThan(90);
  });
});

describe('rounds of watched meters', () => {
  test('ask about each once a round, some at a time, and about very many in several rounds', async () => {
    const asked: string[] = [];
    let under = 0;
    let mostUnder = 0;
    const grid = new FakeGrid(0);
    grid.answerMeter = async (meterId) => {
      asked.push(meterId);
      mostUnder = Math.max(mostUnder, ++under);
      await new Promise((resolve) => setImmediate(resolve));
      under--;
      return null;
    };
    const rounds = new MeterRounds(grid);
    const watches = Array.from({ length: 2_500 }, (_, i) => new MeterWatch(`m${i}` as MeterId, null, () => expect.unreachable(), () => {}));
    for (const watch of watches) rounds.add(watch);
    const settled = async (): Promise<void> => {
      for (let before = -1; asked.length > before; ) {
        before = asked.length;
        for (let i = 0; i < 300; i++) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await settled();
    expect([asked.length, mostUnder]).toEqual([2_500, 32]);
    for (let round = 0; round < 3; round++) {
      rounds.round();
      await settled();
    }
    // Three rounds of a thousand: everybody once more, and five hundred twice.
    expect(asked).toHaveLength(5_500);
    expect(new Set(asked.slice(2_500, 5_000)).size).toBe(2_500);
    for (const watch of watches.slice(1)) rounds.remove(watch);
    asked.length = 0;
    rounds.round();
    await settled();
    expect(asked).toEqual(['m0']);
    // Of one that is let go while it is asked about nothing is asked any more.
    rounds.round();
    rounds.remove(watches[0]);
    await settled();
    asked.length = 0;
    rounds.round();
    await settled();
    expect(asked).toEqual([]);
  });
});

describe('windows that close', () => {
  const LATENESS_MS = 30_000;
  const START = Date.UTC(2026, 0, 15, 12, 0);

  test('are told of when the clock has closed them, and again when they were corrected', () => {
    const state = new RegionState({});
    const closed = new ClosedWindows({ regions: () => state, latenessMs: LATENESS_MS });
    const put = (start: number, minPowerKw: number, nowMs: number): void => {
      const part = { region: 'north', granularity: '1m', windowStart: start, meters: 1, powerHigh: 0, powerLow: 0, energyHigh: 0, energyLow: 0, minPowerKw, maxPowerKw: 9 } as unknown as RegionPart;
      closed.changed(state.seed(0, START - 3_600_000, [part]), nowMs);
    };
    const take = (nowMs: number) => closed.take(nowMs).map(({ windowStart, minPowerKw, final }) => [windowStart - START, minPowerKw, final]);
    const finalAt = START + 60_000 + 2 * LATENESS_MS + 1_000;
    put(START, 1, START + 5_000);
    put(START + 60_000, 1, START + 5_000);
    expect(take(finalAt - 1)).toEqual([]);
    expect(take(finalAt)).toEqual([[0, 1, true]]);
    expect(take(finalAt + 1)).toEqual([]);
    put(START, 0, finalAt + 2);
    expect(take(finalAt + 2)).toEqual([[0, 0, true]]);
    put(START - 3 * 3_600_000, 0, finalAt);
    expect(take(finalAt + 60_000)).toEqual([[60_000, 1, true]]);
  });
});

describe('the number of connections', () => {
  test('is ten thousand, or what the system has files for, and then it says so', () => {
    const said: object[] = [];
    const log = { ...nullLog, warn: (fields: object) => void said.push(fields) } as Log;
    expect([Infinity, 20_000, 12_048].map((max) => liveConnectionsMax(max, log))).toEqual([10_000, 10_000, 10_000]);
    expect(said).toEqual([]);
    expect([12_047, 4_096, 1_024].map((max) => liveConnectionsMax(max, log))).toEqual([9_999, 2_048, 256]);
    expect(said).toHaveLength(3);
  });
});
