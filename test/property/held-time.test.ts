import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MeterAssignment } from '../../src/actors/accounts/protocol.ts';
import { mayReach, nextEdgeOf, type Principal } from '../../src/model/access.ts';
import { begunBy, holdsAll, NEVER, nextEdge, partsOf, spanAt, withoutSpan, withSpan, type HeldTime } from '../../src/model/held-time.ts';
import type { MeterId } from '../../src/model/ids.ts';
import { AccountsWorld, ROOT, START_MS } from '../support/accounts-world.ts';

/** Whose a meter is at which time, against a list of the hours in which it is. */

const HOUR_MS = 3_600_000;
const HOURS = 24;
/** Hours 0 to HOURS − 1 of the day, and one before and one after that stand for all the time there. */
const FIRST = -1;
const LAST = HOURS;
const CELLS = Array.from({ length: LAST - FIRST + 1 }, (_, i) => FIRST + i);

class NaiveTime {
  private readonly cells = new Set<number>();

  set(from: number | null, until: number | null, isOn: boolean): void {
    for (const cell of CELLS) {
      const [begin, end] = [cell === FIRST ? -Infinity : cell, cell === LAST ? Infinity : cell + 1];
      if (begin >= (from ?? -Infinity) && end <= (until ?? Infinity)) isOn ? this.cells.add(cell) : this.cells.delete(cell);
    }
  }

  /** First cell of the run that has a cell; null: it is in none. */
  private runOf(cell: number): number | null {
    if (!this.cells.has(cell)) return null;
    let first = cell;
    while (this.cells.has(first - 1)) first--;
    return first;
  }

  /** Whether the cell is theirs, and its run has begun by the cell `now`. */
  sees(cell: number, now: number): boolean {
    const run = this.runOf(cell);
    return run !== null && run <= now;
  }

  edgeAfter(now: number): number {
    for (let at = now + 1; at <= LAST; at++) if (this.cells.has(at) !== this.cells.has(at - 1)) return at;
    return Infinity;
  }
}

const cellOf = (hour: number): number => Math.max(FIRST, Math.min(LAST, Math.floor(hour)));
const hour = fc.integer({ min: 0, max: HOURS });
const edges = fc.tuple(fc.option(hour, { freq: 4 }), fc.option(hour, { freq: 4 })).filter(([from, until]) => from === null || until === null || from < until);
const change = fc.record({ edges, isOn: fc.boolean() });

describe('time that is somebody\'s', () => {
  it('is what was given less what was taken, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const naive = new NaiveTime();
        let time: HeldTime = NEVER;
        for (const { edges: [from, until], isOn } of changes) {
          naive.set(from, until, isOn);
          time = (isOn ? withSpan : withoutSpan)(time, { from, until });
        }
        for (const now of [-0.5, ...CELLS.slice(1).map((cell) => cell), 5.5]) {
          const begun = begunBy(time, now);
          for (const cell of CELLS) expect(spanAt(begun, cell === FIRST ? -1 : cell + 0.5) !== null, `${cell} at ${now}`).toBe(naive.sees(cell, cellOf(now)));
        }
        for (const cell of CELLS.slice(1, -1)) expect(nextEdge(time, cell)).toBe(naive.edgeAfter(cell));
        // In order, apart, and none empty.
        for (let i = 0; i < time.length; i++) {
          expect(time[i].from ?? -Infinity).toBeLessThan(time[i].until ?? Infinity);
          if (i > 0) expect(time[i - 1].until!).toBeLessThan(time[i].from!);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('has parts of a range, and all of one, as its hours say', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), hour, hour, (changes, a, b) => {
        fc.pre(a < b);
        const naive = new NaiveTime();
        let time: HeldTime = NEVER;
        for (const { edges: [from, until], isOn } of changes) {
          naive.set(from, until, isOn);
          time = (isOn ? withSpan : withoutSpan)(time, { from, until });
        }
        const hours = Array.from({ length: b - a }, (_, i) => a + i);
        const mine = hours.filter((at) => naive.sees(at, LAST));
        expect(partsOf(time, a, b).flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))).toEqual(mine);
        expect(holdsAll(time, a, b)).toBe(mine.length === hours.length);
      }),
      { numRuns: 500 },
    );
  });
});

const PEOPLE = ['ada@example.org', 'bob@example.org'];
const METERS = ['m-1', 'm-2'];

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('assign' as const), who: fc.nat(1), meter: fc.nat(1), edges, isOn: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), from: hour, length: fc.integer({ min: 0, max: 8 }), share: fc.constantFrom('all' as const, 'most' as const) }) },
);

describe('two people and two meters', () => {
  it('each see of each meter what is theirs, at every moment, however the accounts came to it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const world = await AccountsWorld.start();
        const ids: string[] = [];
        for (const email of PEOPLE) ids.push((await world.actor.ask({ kind: 'makeUser', user: { email, name: email, role: 'consumer', meters: [], regions: [] }, by: ROOT })).user.id);
        // Of who asks, kept as the gateway and open streams keep it, until the accounts say that it is another.
        const kept = ids.map((id) => world.actor.tokenCheck.accountOf(id) as Principal);
        const naive = ids.map(() => METERS.map(() => new NaiveTime()));
        let now = 0;
        const at = (hours: number): number => START_MS + hours * HOUR_MS;
        for (const one of steps) {
          if (one.kind === 'wait') {
            world.time.advance(one.hours * HOUR_MS);
            now += one.hours;
            continue;
          }
          if (one.kind === 'assign') {
            const [from, until] = one.edges;
            naive[one.who][one.meter].set(from, until, one.isOn);
            const assignment: MeterAssignment = { user: PEOPLE[one.who], meterId: METERS[one.meter] as MeterId, from: from === null ? null : at(from), until: until === null ? null : at(until), isAssigned: one.isOn };
            await world.actor.ask({ kind: 'assignMeters', assignments: [assignment], by: ROOT });
            kept[one.who] = world.actor.tokenCheck.accountOf(ids[one.who]) as Principal;
            continue;
          }
          const cellNow = cellOf(now);
          for (const [who, principal] of kept.entries()) {
            for (const [meter, meterId] of METERS.entries()) {
              const subject = { meterId: meterId as MeterId, region: null };
              const of = naive[who][meter];
              expect(mayReach(principal, subject, at(now))).toBe(of.sees(cellNow, cellNow));
              const time = { from: at(one.from), to: at(one.from + one.length), share: one.share };
              const hours = Array.from({ length: Math.max(1, one.length) }, (_, i) => cellOf(one.from + i));
              const middle = cellOf(one.from + one.length / 2);
              const expected = one.share === 'all' ? hours.every((cell) => of.sees(cell, cellNow)) : of.sees(middle, cellNow);
              expect(mayReach(principal, { ...subject, time }, at(now)), `${principal.name} ${meterId} ${one.share} ${one.from}+${one.length} at ${now}`).toBe(expected);
            }
            const next = Math.min(...naive[who].map((of) => of.edgeAfter(cellNow)));
            if (now < HOURS) expect(nextEdgeOf(principal, at(now))).toBe(next === Infinity ? Infinity : at(next));
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
