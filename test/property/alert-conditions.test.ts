import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Conditions } from '../../src/actors/alerts/conditions/conditions.ts';
import { DueTimes } from '../../src/actors/alerts/conditions/due-times.ts';
import { alertId, fingerprintOf } from '../../src/actors/alerts/fingerprint.ts';
import { patternMatcher } from '../../src/actors/alerts/selectors.ts';
import type { Signal } from '../../src/actors/alerts/signal.ts';
import type { Alert } from '../../src/model/alert.ts';
import { SEVERITIES, type Anomaly } from '../../src/model/anomaly.ts';
import { activeAfter, ended, episode, MINUTE_MS, observation, outage, region, rulesOf, START_MS, windowAt } from '../unit/alert-observations.ts';

/** What conditions say, held against what a naive reader of the same history would say; with restarts anywhere. */

/** Conditions with a book of what they have said, and a life over restarts. */
class Told {
  readonly signals: Signal[] = [];
  conditions: Conditions;
  private readonly rules: Parameters<typeof rulesOf>;

  constructor(...rules: Parameters<typeof rulesOf>) {
    this.rules = rules;
    this.conditions = new Conditions(rulesOf(...rules));
  }

  take(signals: readonly Signal[]): void {
    this.signals.push(...signals);
  }

  /** Lets everything happen that is due until then. */
  advance(untilMs: number): void {
    for (let due = this.conditions.nextDueMs(); due <= untilMs; due = this.conditions.nextDueMs()) this.take(this.conditions.tick(due));
  }

  restart(nowMs: number): void {
    this.conditions = new Conditions(rulesOf(...this.rules));
    this.conditions.resume(this.active(), nowMs);
  }

  active(): Alert[] {
    return activeAfter(this.signals);
  }

  /** `rule/what/startedAt` of each, in order. */
  activeNames(): string[] {
    return this.active()
      .map((alert) => `${alert.rule}/${alert.meterId ?? alert.region}/${alert.startedAt}`)
      .sort();
  }
}

describe('patterns', () => {
  it('mean what a regular expression would', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '-', '*'), minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), text, (patterns, name) => {
        const naive = patterns.some((one) => new RegExp(`^${one.replaceAll('*', '.*')}$`).test(name));
        expect(patternMatcher(patterns)(name)).toBe(naive);
        expect(patternMatcher(patterns)(null)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('due times', () => {
  it('stay in order when one goes from the middle and the last takes its place', () => {
    const due = new DueTimes<{ dueMs: number; position: number }>();
    const entries = [1, 10, 2, 11, 12, 13, 4].map((dueMs) => ({ dueMs, position: -1 }));
    for (const entry of entries) due.add(entry);
    due.remove(entries[3]);
    expect([1, 2, 3, 4, 5, 6].map(() => due.take(Infinity)!.dueMs)).toEqual([1, 2, 4, 10, 12, 13]);
  });

  it('come in order, without those that were removed', () => {
    const step = fc.oneof({ weight: 3, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 30 }) }) }, fc.record({ remove: fc.nat(40) }), fc.record({ take: fc.integer({ min: 0, max: 30 }) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const due = new DueTimes<{ dueMs: number; position: number }>();
        const entries: { dueMs: number; position: number }[] = [];
        let waiting: typeof entries = [];
        for (const one of steps) {
          if ('add' in one) {
            const entry = { dueMs: one.add, position: -1 };
            entries.push(entry);
            waiting.push(entry);
            due.add(entry);
          } else if ('remove' in one && entries.length > 0) {
            const entry = entries[one.remove % entries.length];
            due.remove(entry);
            waiting = waiting.filter((other) => other !== entry);
          } else if ('take' in one) {
            const first = due.take(one.take);
            const least = Math.min(...waiting.map(({ dueMs }) => dueMs));
            expect(first?.dueMs ?? null).toBe(least <= one.take ? least : null);
            waiting = waiting.filter((other) => other !== first);
          }
          expect(due.size).toBe(waiting.length);
          expect(due.nextMs).toBe(Math.min(...waiting.map(({ dueMs }) => dueMs)));
        }
        const rest = waiting.map(() => due.take(Infinity)!.dueMs);
        expect(rest).toEqual(waiting.map(({ dueMs }) => dueMs).sort((a, b) => a - b));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('episodes', () => {
  /** The rules' own historyAfter, a day. */
  const HISTORY_MS = 86_400_000;
  const rules = [
    { name: 'all', condition: 'anomaly', kinds: ['spike', 'drop'] },
    { name: 'worse', condition: 'anomaly', kinds: ['spike'], severityMin: 'CRITICAL', regions: ['*-01'] },
    { name: 'long', condition: 'anomaly', kinds: ['spike', 'drop'], for: '10m', meters: ['m-*'], scoreMin: 5 },
  ];
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        what: fc.constant('begin' as const),
        meter: fc.constantFrom('m-0', 'm-1', 'x-2'),
        kind: fc.constantFrom('spike' as const, 'drop' as const),
        region: fc.constantFrom('region-01', 'region-02'),
        ageMs: fc.oneof(fc.integer({ min: -MINUTE_MS, max: 5 * MINUTE_MS }), fc.integer({ min: HISTORY_MS - MINUTE_MS, max: HISTORY_MS + 15 * MINUTE_MS })),
        severity: fc.nat(2),
        score: fc.constantFrom(4, 6),
      }),
    },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('worsen' as const), of: fc.nat(10), score: fc.constantFrom(4, 6, 12) }) },
    { weight: 4, arbitrary: fc.record({ what: fc.constant('end' as const), of: fc.nat(10) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('again' as const), of: fc.nat(30) }) },
    { weight: 5, arbitrary: fc.record({ what: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 8 * MINUTE_MS }) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('restart' as const) }) },
  );

  it('are raised exactly while they go on and meet a rule, whatever is said twice and wherever the engine stops', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const told = new Told(...rules);
        let nowMs = START_MS;
        /** Every episode as it is, oldest first. */
        const all: { anomaly: Anomaly; seenAt: number; raised: Set<string> }[] = [];
        const goesOn = () => all.filter(({ anomaly }) => anomaly.endedAt === null);
        const put = (anomalies: Anomaly[]) => told.take(told.conditions.observe(observation({ anomalies }), nowMs));
        const judge = () => {
          for (const one of all) {
            if (one.anomaly.endedAt !== null) continue;
            for (const name of ['all', 'worse', 'long']) if (meetsNow(one, name, nowMs)) one.raised.add(name);
          }
        };
        for (const one of steps) {
          if (one.what === 'begin') {
            const { meter, kind, severity, score } = one;
            const startedAt = nowMs - one.ageMs;
            const last = all.findLast(({ anomaly }) => anomaly.meterId === meter && anomaly.kind === kind);
            // A meter has one of a kind at a time, each begins after the last has ended.
            if (last !== undefined && (last.anomaly.endedAt === null || last.anomaly.endedAt > startedAt || last.anomaly.startedAt >= startedAt)) continue;
            const anomaly = episode(kind, meter, { startedAt, region: one.region, severity: SEVERITIES[severity], score });
            all.push({ anomaly, seenAt: nowMs, raised: new Set() });
            put([anomaly]);
          } else if (one.what === 'worsen' && goesOn().length > 0) {
            const worse = goesOn()[one.of % goesOn().length];
            worse.anomaly = { ...worse.anomaly, severity: 'CRITICAL', score: Math.max(worse.anomaly.score, one.score) };
            put([worse.anomaly]);
          } else if (one.what === 'end' && goesOn().length > 0) {
            const over = goesOn()[one.of % goesOn().length];
            over.anomaly = ended(over.anomaly, Math.max(nowMs, over.anomaly.startedAt));
            put([over.anomaly]);
          } else if (one.what === 'again' && all.length > 0) {
            put([all[one.of % all.length].anomaly]);
          } else if (one.what === 'wait') {
            nowMs += one.ms;
            told.advance(nowMs);
          } else if (one.what === 'restart') {
            told.restart(nowMs);
            for (const seen of goesOn()) seen.seenAt = nowMs;
            put(all.map(({ anomaly }) => anomaly));
            expect(told.conditions.unconfirmed()).toEqual([]);
          }
          judge();
          const expected = goesOn().flatMap(({ anomaly, raised }) => [...raised].map((rule) => `${rule}/${anomaly.meterId}/${anomaly.startedAt}`));
          expect(told.activeNames()).toEqual(expected.sort());
        }
        expect(told.conditions.openEpisodes).toBe(goesOn().length);
      }),
      { numRuns: 200 },
    );
  });

  function meetsNow({ anomaly, seenAt }: { anomaly: Anomaly; seenAt: number }, rule: string, nowMs: number): boolean {
    const forMs = rule === 'long' ? 10 * MINUTE_MS : 0;
    if (seenAt - anomaly.startedAt > HISTORY_MS + forMs || Math.min(seenAt, anomaly.startedAt) + forMs > nowMs) return false;
    if (rule === 'worse') return anomaly.kind === 'spike' && anomaly.severity === 'CRITICAL' && anomaly.region === 'region-01';
    if (rule === 'long') return anomaly.meterId.startsWith('m-') && anomaly.score >= 5;
    return true;
  }
});

describe('regional load', () => {
  const load = fc.constantFrom(null, 70, 84, 87, 89.9, 90, 95, 99);
  const history = fc.array(fc.record({ load, gap: fc.constantFrom(0, 0, 0, 0, 1, 3), restart: fc.constantFrom(false, false, false, true) }), { maxLength: 40 });

  /** Start of the row that is raised after these windows; null when none is. */
  function naive(windows: { minute: number; load: number | null }[], count: number): number | null {
    let raised: number | null = null;
    let from = 0;
    for (let i = 0; i < windows.length; i++) {
      if (i > 0 && windows[i].minute !== windows[i - 1].minute + 1) from = i;
      const row = windows.slice(from, i + 1);
      const last = row.slice(-count);
      if (raised === null) {
        if (last.length === count && last.every((window) => window.load !== null && window.load >= 90)) raised = last[0].minute;
      } else if (windows[i].load === null || (last.length === count && last.every((window) => window.load !== null && window.load < 85))) {
        raised = null;
      }
    }
    return raised;
  }

  it('is raised by so many windows in a row and cleared by as many, whatever comes twice and wherever the engine stops', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 3 }), fc.nat(5), (steps, count, again) => {
        const told = new Told({ name: 'load', condition: 'regional_load', windows: count });
        const seen: { minute: number; load: number | null }[] = [];
        let minute = 0;
        for (const step of steps) {
          minute += 1 + step.gap;
          seen.push({ minute, load: step.load });
          const nowMs = START_MS + (minute + 2) * MINUTE_MS;
          // After a restart everything comes again, as far back as somebody keeps it.
          if (step.restart) told.restart(nowMs);
          const fed = step.restart ? seen : seen.slice(-1 - again);
          told.take(told.conditions.observe(observation({ regionWindows: fed.map((window) => windowAt(window.minute, window.load)) }), nowMs));
          const raised = naive(seen, count);
          expect(told.activeNames()).toEqual(raised === null ? [] : [`load/region-01/${START_MS + raised * MINUTE_MS}`]);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('dark regions', () => {
  const METERS = 20;
  const rules = [
    { name: 'dark', condition: 'region_dark', metersMin: 4, sharePercent: 25, clearBelowPercent: 15 },
    { name: 'outage', condition: 'anomaly', kinds: ['outage'] },
  ];
  const change = fc.record({ meter: fc.nat(METERS - 1), region: fc.constantFrom('region-01', 'region-01', 'region-02'), isOut: fc.boolean(), sinceMs: fc.nat(120_000) });
  const step = fc.record({ changes: fc.array(change, { maxLength: 6 }), waitMs: fc.oneof(fc.constant(100), fc.nat(40_000)), restart: fc.constantFrom(false, false, false, false, true) });

  it('are one incident with its meters counted; outages of their own have meters of regions that are not dark', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const told = new Told(...rules);
        const regions = [region('region-01', METERS), region('region-02', METERS)];
        const out = new Map<string, Anomaly>();
        const lastEnd = new Map<string, number>();
        const dark = new Set<string>();
        let nowMs = START_MS;
        told.take(told.conditions.observe(observation({ regions }), nowMs));
        for (const { changes, waitMs, restart } of steps) {
          nowMs += waitMs;
          told.advance(nowMs);
          if (restart) {
            told.restart(nowMs);
            told.take(told.conditions.observe(observation({ regions, anomalies: [...out.values()] }), nowMs));
          }
          const anomalies: Anomaly[] = [];
          for (const { meter, region: name, isOut, sinceMs } of changes) {
            const meterId = `meter-${meter}`;
            const known = out.get(meterId);
            if (isOut && known !== undefined) {
              // The meter has moved.
              out.set(meterId, { ...known, region: name });
              anomalies.push(out.get(meterId)!);
            } else if (isOut) {
              const startedAt = Math.max(nowMs - sinceMs, (lastEnd.get(meterId) ?? 0) + 1);
              out.set(meterId, outage(meterId, { startedAt, region: name }));
              anomalies.push(out.get(meterId)!);
            } else if (known !== undefined) {
              out.delete(meterId);
              lastEnd.set(meterId, nowMs);
              anomalies.push(ended(known, nowMs));
            }
          }
          const before = new Set(told.active().flatMap(({ meterId }) => meterId ?? []));
          told.take(told.conditions.observe(observation({ anomalies }), nowMs));
          for (const name of ['region-01', 'region-02']) {
            const count = [...out.values()].filter((anomaly) => anomaly.region === name).length;
            if (count >= 5) dark.add(name);
            else if (count < 3) dark.delete(name);
          }
          const active = told.active();
          expect(active.filter(({ kind }) => kind === 'region_dark').map((alert) => alert.region).sort()).toEqual([...dark].sort());
          for (const { meterId, kind } of active) {
            if (kind !== 'outage') continue;
            expect(out.has(meterId!)).toBe(true);
            // Nobody got an alert of their own in a dark region.
            if (dark.has(out.get(meterId!)!.region)) expect(before.has(meterId!)).toBe(true);
          }
        }
        told.advance(nowMs + 60_000);
        const active = told.active();
        const countOf = (name: string) => [...out.values()].filter((anomaly) => anomaly.region === name).length;
        for (const alert of active.filter(({ kind }) => kind === 'region_dark')) {
          expect(alert.affectedMeters).toBe(countOf(alert.region!));
          expect(told.conditions.membersOf(alert.region!)).toBe(countOf(alert.region!));
        }
        const own = new Set(active.flatMap(({ meterId }) => meterId ?? []));
        for (const { meterId, region: name } of out.values()) if (!dark.has(name)) expect(own.has(meterId)).toBe(true);
        expect(told.conditions.nextDueMs()).toBe(Infinity);
      }),
      { numRuns: 200 },
    );
  });
});

describe('every signal', () => {
  it('that clears names an alert that was raised', () => {
    const told = new Told({ name: 'outage', condition: 'anomaly', kinds: ['outage'] });
    const meters = fc.array(fc.record({ meter: fc.nat(3), at: fc.nat(20), end: fc.boolean() }), { maxLength: 30 });
    fc.assert(
      fc.property(meters, (steps) => {
        const ids = new Set<string>();
        for (const { meter, at, end } of steps) {
          const one = outage(`meter-${meter}`, { startedAt: START_MS + at });
          for (const signal of told.conditions.observe(observation({ anomalies: [end ? ended(one, START_MS + at + 1) : one] }), START_MS + 100)) {
            const id = alertId(fingerprintOf({ rule: signal.rule, kind: signal.kind, subject: signal }), signal.startedAt);
            if (signal.state === 'raised') ids.add(id);
            else expect(ids.has(id)).toBe(true);
          }
        }
        told.restart(START_MS);
      }),
    );
  });
});
