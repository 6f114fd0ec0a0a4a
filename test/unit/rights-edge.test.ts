import { beforeEach, describe, expect, it } from 'vitest';
import { RightsEdge } from '../../src/http/rights-edge.ts';
import type { Principal } from '../../src/model/access.ts';
import type { HeldTime } from '../../src/model/held-time.ts';
import type { MeterId } from '../../src/model/ids.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { consumer } from '../support/live-accounts.ts';

/** When rights change by themselves, with a clock that may be set. */

const START_MS = Date.UTC(2026, 2, 2);
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const who = (...times: HeldTime[]): Principal => ({ ...consumer('ada'), meters: new Map(times.map((time, i) => [`meter-${i}` as MeterId, time])) });

let time: VirtualTime;
let setByMs: number;
/** When it was called, after START_MS on a clock that nobody sets. */
let passed: number[];
let edge: RightsEdge;
const now = (): number => time.now() + setByMs;

beforeEach(() => {
  time = new VirtualTime(START_MS);
  setByMs = 0;
  passed = [];
  edge = new RightsEdge({ clock: { now, monotonic: () => time.monotonic() }, timers: time }, () => void passed.push(time.monotonic()));
});

describe('the edge of rights', () => {
  it('is when a meter becomes somebody\'s, and when it is theirs no more', () => {
    const ada = who([{ from: START_MS + HOUR_MS, until: START_MS + 3 * HOUR_MS }]);
    edge.heed(ada);
    time.advance(2 * HOUR_MS);
    expect(passed).toEqual([HOUR_MS]);
    edge.heed(ada);
    time.advance(2 * HOUR_MS);
    expect(passed).toEqual([HOUR_MS, 3 * HOUR_MS]);
  });

  it('is the first of all who are heeded, in whatever order, and comes once', () => {
    edge.heed(who([{ from: null, until: START_MS + 2 * HOUR_MS }]));
    edge.heed(who([{ from: null, until: START_MS + 3 * HOUR_MS }], [{ from: START_MS + HOUR_MS, until: null }]));
    edge.heed(who([{ from: null, until: START_MS + 4 * HOUR_MS }]));
    time.advance(10 * HOUR_MS);
    expect(passed).toEqual([HOUR_MS]);
  });

  it('is none of rights that stay, nor one that has passed', () => {
    edge.heed(who([{ from: null, until: null }], [{ from: START_MS - HOUR_MS, until: null }]));
    edge.heed(who());
    expect(time.timersPending).toBe(0);
  });

  it('is seen within a minute of the clock\'s being set past it', () => {
    edge.heed(who([{ from: null, until: START_MS + 10 * HOUR_MS }]));
    time.advance(MINUTE_MS / 2);
    setByMs = 11 * HOUR_MS;
    time.advance(MINUTE_MS);
    expect(passed).toEqual([MINUTE_MS]);
  });

  it('waits for a clock that is set back', () => {
    edge.heed(who([{ from: null, until: START_MS + MINUTE_MS }]));
    setByMs = -HOUR_MS;
    time.advance(HOUR_MS);
    expect(passed).toEqual([]);
    time.advance(MINUTE_MS);
    expect(passed).toEqual([HOUR_MS + MINUTE_MS]);
  });

  it('is waited for by one timer, and by none once it is closed', () => {
    edge.heed(who([{ from: null, until: START_MS + 3 * HOUR_MS }]));
    edge.heed(who([{ from: null, until: START_MS + 2 * HOUR_MS }]));
    expect(time.timersPending).toBe(1);
    edge.close();
    time.advance(10 * HOUR_MS);
    expect(passed).toEqual([]);
  });
});
