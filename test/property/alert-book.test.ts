import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AlertBook } from '../../src/actors/alerts/alert-book.ts';
import type { AlertChange } from '../../src/actors/alerts/alert-change.ts';
import { alertRulesSchema, type AlertRules } from '../../src/actors/alerts/rules.ts';
import type { Signal } from '../../src/actors/alerts/signal.ts';
import { ALERT_STATES, type Alert, type AlertEvent, type AlertListQuery } from '../../src/model/alert.ts';
import { SEVERITIES } from '../../src/model/anomaly.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { AlertOracle, isActive, troubleOf, type OracleEntry } from '../oracle/alert-oracle.ts';
import { cleared, raised } from '../support/alert-signals.ts';

const SEED = 20261127;
const T = Date.parse('2026-11-27T10:20:00Z');
const HOUR_MS = 3_600_000;
const CONSUMER = 'timescale';

const REGIONS = ['north', 'south'] as const;
const METERS = ['m1', 'm2'] as const;
const COMPONENTS = ['disk'] as const;

// What alerts are about ------------------------------------------------------------------------------------------------------

const SUBJECT = fc.oneof(
  { weight: 4, arbitrary: fc.record({ meterId: fc.constantFrom(...METERS), region: fc.constantFrom(...REGIONS), component: fc.constant(null) }) },
  { weight: 1, arbitrary: fc.record({ meterId: fc.constant(null), region: fc.constantFrom(...REGIONS), component: fc.constant(null) }) },
  { weight: 1, arbitrary: fc.record({ meterId: fc.constant(null), region: fc.constant(null), component: fc.constantFrom(...COMPONENTS) }) },
);
const TROUBLE = fc.constantFrom(
  { rule: 'meter-outage', type: 'METER_OUTAGE', kind: 'outage' } as const,
  { rule: 'anomaly', type: 'ANOMALY', kind: 'spike' } as const,
  { rule: 'region-dark', type: 'METER_OUTAGE', kind: 'region_dark' } as const,
);

// Rules ----------------------------------------------------------------------------------------------------------------------

const few = <T>(values: readonly T[]) => fc.oneof({ weight: 2, arbitrary: fc.constant([] as T[]) }, { weight: 1, arbitrary: fc.subarray([...values], { minLength: 1, maxLength: 2 }) });
const MATCH = fc.record({
  types: few(['METER_OUTAGE', 'ANOMALY'] as const),
  severities: few(SEVERITIES),
  rules: few(['meter-*', 'anomaly', 'region-dark']),
  regions: few(['north', 'n*', 'south']),
  meters: fc.oneof({ weight: 3, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: few(['m1', 'm*']) }),
  components: fc.oneof({ weight: 4, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: few(['disk', 'd*k']) }),
});
const INHIBITIONS = fc
  .array(fc.record({ source: MATCH, target: MATCH, equal: fc.subarray(['region', 'meter', 'component'], { maxLength: 2 }) }), { maxLength: 4 })
  // One with many pairs, beside those that chance makes.
  .map((list) => [...list, { source: { types: ['METER_OUTAGE'] }, target: { types: ['ANOMALY'] }, equal: ['region'] }].map((inhibition, i) => ({ name: `i${i}`, ...inhibition })));
const rulesWith = (openings: fc.Arbitrary<number>): fc.Arbitrary<AlertRules> =>
  fc.record({ inhibitions: INHIBITIONS, openings }).map(({ inhibitions, openings: enough }) => alertRulesSchema.parse({ rules: [], routes: [], inhibitions, flapping: { openings: enough, within: '10m', stableFor: '5m' } }));

// Steps ----------------------------------------------------------------------------------------------------------------------

type Step =
  | { kind: 'raise' | 'clear'; subject: { meterId: string | null; region: string | null; component: string | null }; trouble: { rule: string; type: Alert['type']; kind: Alert['kind'] }; age: number; severity: Alert['severity']; affectedMeters: number }
  | { kind: 'acknowledge' | 'resolve'; which: number; isStale: boolean }
  | { kind: 'resolveAll'; which: number[] }
  | { kind: 'silence'; silenceKind: 'silence' | 'maintenance'; match: AlertRules['routes'][number]['match']; startsIn: number; lasts: number }
  | { kind: 'changeSilence' | 'endSilence'; which: number; lasts: number }
  | { kind: 'rules'; rules: AlertRules }
  | { kind: 'group' | 'note'; which: number }
  | { kind: 'wait'; ms: number }
  | { kind: 'commit' }
  | { kind: 'restart' }
  | { kind: 'sink'; max: number; from: 'position' | 'remembered' | 'beginning' };

const which = fc.nat({ max: 30 });
const stepsWith = (openings: fc.Arbitrary<number>, waits: readonly number[]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 18, arbitrary: fc.record({ kind: fc.constantFrom('raise', 'raise', 'clear'), subject: SUBJECT, trouble: TROUBLE, age: fc.constantFrom(0, 0, 1, 5_000, 60_000), severity: fc.constantFrom(...SEVERITIES), affectedMeters: fc.nat({ max: 9 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('acknowledge', 'resolve'), which, isStale: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('resolveAll'), which: fc.array(which, { maxLength: 3 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('silence'), silenceKind: fc.constantFrom('silence', 'maintenance'), match: MATCH, startsIn: fc.constantFrom(0, 10_000, 200_000), lasts: fc.constantFrom(1, 60_000, 400_000) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('changeSilence', 'endSilence'), which, lasts: fc.constantFrom(1, 60_000, 400_000) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('rules'), rules: rulesWith(openings) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('group', 'note'), which }) },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(...waits) }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit') }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('sink'), max: fc.integer({ min: 1, max: 5 }), from: fc.constantFrom('position', 'remembered', 'beginning') }) },
    ),
    { minLength: 1, maxLength: 80 },
  );

/** A book on a store, with what it said so far and an oracle beside it. */
class World {
  store = new MemoryStore();
  book: AlertBook;
  readonly oracle: AlertOracle;
  rules: AlertRules;
  nowMs = T;
  /** By the changes that the book gave. */
  readonly mirror = new Map<string, Alert>();
  readonly events = new Map<string, AlertEvent[]>();
  /** As a system beside the engine has it. */
  readonly sink = new Map<string, Alert>();
  private position: string | null = null;
  private number = 0;

  constructor(rules: AlertRules) {
    this.rules = rules;
    this.oracle = new AlertOracle(rules);
    this.book = this.open();
  }

  private open(): AlertBook {
    const book = new AlertBook(this.rules, this.store, { outbox: { consumers: [CONSUMER], generation: `g${this.number++}` } });
    book.load();
    return book;
  }

  async take(step: Step): Promise<void> {
    const { book, oracle, nowMs } = this;
    const alerts = [...this.mirror.values()];
    switch (step.kind) {
      case 'raise':
      case 'clear': {
        const of = { ...step.trouble, ...step.subject, startedAt: nowMs - step.age };
        const { type: _type, ...subject } = of;
        const signal: Signal = step.kind === 'raise' ? raised({ ...of, severity: step.severity, affectedMeters: step.affectedMeters }) : cleared({ ...subject, reason: `over at ${nowMs}` });
        // What clears says of which occurrence; most often of the newest.
        if (step.age === 0) signal.startedAt = this.entryOf(troubleOf(signal))?.lastStartedAt ?? signal.startedAt;
        this.saw(book.apply(signal, nowMs));
        oracle.advance(nowMs);
        oracle.apply(signal);
        return;
      }
      case 'acknowledge':
      case 'resolve': {
        const alert = alerts[step.which % (alerts.length + 1)];
        const id = alert?.id ?? '0123456789abcdef-0';
        oracle.advance(nowMs);
        const entry = alert === undefined ? undefined : this.entry(alert);
        const version = step.isStale ? 0 : null;
        const wanted = entry === undefined ? 'unknown_alert' : step.isStale ? 'stale_version' : !isActive(entry) ? 'wrong_state' : null;
        const code = this.codeOf(() => this.saw((step.kind === 'acknowledge' ? book.acknowledge(id, version, 'ann', 'mine', nowMs) : book.resolve(id, version, 'ann', null, nowMs)).changes));
        expect(code).toBe(wanted);
        if (wanted !== null) return;
        if (step.kind === 'acknowledge') Object.assign(entry!.alert, { state: 'acknowledged', acknowledged: { at: nowMs, by: 'ann', why: 'mine' } });
        else oracle.resolve(entry!, { at: nowMs, by: 'ann', why: null });
        return;
      }
      case 'resolveAll': {
        const ids = step.which.map((place) => alerts[place % (alerts.length + 1)]?.id ?? 'no-id');
        oracle.advance(nowMs);
        const { answer, changes } = book.resolveAll(ids, 'bob', 'done', nowMs);
        this.saw(changes);
        for (const [i, id] of ids.entries()) {
          const entry = this.mirror.has(id) ? this.entry(this.mirror.get(id)!) : undefined;
          const wanted = entry === undefined ? 'unknown_alert' : isActive(entry) ? null : 'wrong_state';
          expect([answer[i].id, answer[i].error?.code ?? null]).toEqual([id, wanted]);
          if (wanted === null) oracle.resolve(entry!, { at: nowMs, by: 'bob', why: 'done' });
        }
        return;
      }
      case 'silence': {
        const silence = { kind: step.silenceKind, match: step.match, startsAt: nowMs + step.startsIn, endsAt: nowMs + step.startsIn + step.lasts, createdBy: 'ann', comment: 'works' };
        oracle.advance(nowMs);
        this.saw(book.makeSilence(silence, nowMs).changes);
        oracle.makeSilence(silence);
        return;
      }
      case 'changeSilence':
      case 'endSilence': {
        const silence = oracle.silences[step.which % (oracle.silences.length + 1)];
        oracle.advance(nowMs);
        const isChange = step.kind === 'changeSilence';
        const endsAt = nowMs + step.lasts;
        const wanted = silence === undefined ? 'unknown_silence' : silence.ended !== null || silence.endsAt <= nowMs ? 'wrong_state' : isChange && endsAt <= silence.startsAt ? 'bad_span' : null;
        const id = silence?.id ?? 'silence-0';
        const code = this.codeOf(() => this.saw((isChange ? book.changeSilence(id, silence?.version ?? 1, { endsAt, comment: null }, nowMs) : book.endSilence(id, null, 'ann', null, nowMs)).changes));
        expect(code).toBe(wanted);
        if (wanted !== null) return;
        Object.assign(silence, { version: silence.version + 1 }, isChange ? { endsAt } : { ended: { at: nowMs, by: 'ann', why: null } });
        return;
      }
      case 'rules':
        oracle.advance(nowMs);
        this.saw(book.setRules(step.rules, nowMs));
        oracle.rules = this.rules = step.rules;
        return;
      case 'group':
      case 'note': {
        if (alerts.length === 0) return;
        const { id } = alerts[step.which % alerts.length];
        if (step.kind === 'group') {
          const alert = book.setGroup(id, `group-${step.which % 3}`);
          if (alert !== null) this.mirror.set(id, alert);
        } else this.saw([book.note(id, 'notified', 'Told ann', nowMs)!]);
        return;
      }
      case 'wait':
        this.nowMs += step.ms;
        return;
      case 'commit':
        return this.commit();
      case 'restart':
        await this.commit();
        this.store = this.store.crash();
        this.book = this.open();
        oracle.restart();
        return;
      case 'sink':
        await this.commit();
        this.read(step.from, step.max);
        return;
    }
  }

  async commit(): Promise<void> {
    this.book.flush();
    await this.store.commit();
  }

  read(from: 'position' | 'remembered' | 'beginning', max: number): boolean {
    const { alerts, position, isLast } = this.book.outbox.read(CONSUMER, from === 'position' ? this.position : from === 'remembered' ? null : 'beginning', max);
    expect(new Set(alerts.map(({ id }) => id)).size).toBe(alerts.length);
    for (const alert of alerts) this.sink.set(alert.id, alert);
    this.position = position;
    this.book.outbox.acknowledge(CONSUMER, position);
    return isLast;
  }

  saw(changes: readonly AlertChange[]): void {
    for (const { alert, event, what } of changes) {
      const before = this.mirror.get(alert.id);
      if (before === undefined) expect([what, alert.version]).toEqual(['opened', 1]);
      else expect(alert.version).toBeGreaterThanOrEqual(before.version);
      this.mirror.set(alert.id, alert);
      if (event === null) continue;
      expect(event.kind).toBe(what);
      if (!this.events.has(alert.id)) this.events.set(alert.id, []);
      this.events.get(alert.id)!.push(event);
    }
  }

  entry(alert: Alert): OracleEntry {
    return this.oracle.entries.find((entry) => entry.alert.startedAt === alert.startedAt && entry.trouble === troubleOf(alert))!;
  }

  /** The alert that the book has for it. */
  alertOf({ alert, trouble }: OracleEntry): Alert {
    return [...this.mirror.values()].find((known) => known.startedAt === alert.startedAt && troubleOf(known) === trouble)!;
  }

  /** Everything that can be asked for is as the oracle has it. */
  compare(): void {
    const { book, oracle, nowMs } = this;
    oracle.advance(nowMs);
    this.saw(book.tick(nowMs));
    expect(this.mirror.size).toBe(oracle.entries.length);
    for (const entry of oracle.entries) {
      const said = this.alertOf(entry);
      expect(book.get(said.id)).toEqual(said);
      const { version: _version, changedAt: _changedAt, id, fingerprint: _fingerprint, suppression, group: _group, ...rest } = said;
      expect(rest).toEqual(entry.alert);
      const wanted = oracle.suppressionOf(entry);
      expect(suppression?.by ?? null).toBe(wanted?.by ?? null);
      if (wanted !== null) expect(wanted.of.map((keeper) => (typeof keeper === 'string' ? keeper : this.alertOf(keeper).id))).toContain(suppression!.id);
      expect(book.detail(id)!.history).toEqual(this.events.get(id));
      const { decisions } = book.explain(id);
      expect(decisions[0].step).toBe('rule');
      const step = suppression?.by === 'maintenance' ? 'silence' : suppression?.by;
      if (step !== undefined) expect(decisions.findLast((decision) => decision.step === step)?.outcome).toBe('held');
    }
    expect([...book.active()].map(({ id }) => id).sort()).toEqual(oracle.entries.filter(isActive).map((entry) => this.alertOf(entry).id).sort());
    const uncleared = oracle.entries.filter(({ holds }) => holds).map((entry) => ({ ...this.alertOf(entry), startedAt: entry.lastStartedAt }));
    expect(sorted([...book.uncleared()])).toEqual(sorted(uncleared));
    expect(book.silencesPage({ kind: null, withEnded: true, limit: 1_000, cursor: null }).data).toEqual([...oracle.silences].reverse());
  }

  compareStatistics(from: number, to: number): void {
    const { active, opened, acknowledgedAfterMs, resolvedAfterMs } = this.book.statistics(from, to);
    const entries = this.oracle.entries;
    const actives = entries.filter(isActive);
    expect(active).toMatchObject({
      open: actives.filter(({ alert }) => alert.state === 'open').length,
      acknowledged: actives.filter(({ alert }) => alert.state === 'acknowledged').length,
      suppressed: actives.filter((entry) => this.oracle.suppressionOf(entry) !== null).length,
      bySeverity: countsOf(SEVERITIES, actives.map(({ alert }) => alert.severity)),
    });
    const inside = entries.filter(({ alert: { openedAt } }) => openedAt >= Math.floor(from / HOUR_MS) * HOUR_MS && openedAt < Math.ceil(to / HOUR_MS) * HOUR_MS);
    const regions = inside.flatMap(({ alert: { region } }) => region ?? []);
    expect(opened).toMatchObject({ total: inside.length, bySeverity: countsOf(SEVERITIES, inside.map(({ alert }) => alert.severity)), byRegion: countsOf([...new Set(regions)], regions) });
    nearMedian(acknowledgedAfterMs, inside.flatMap(({ alert }) => (alert.acknowledged === null ? [] : [alert.acknowledged.at - alert.openedAt])));
    nearMedian(resolvedAfterMs, inside.flatMap(({ alert }) => (alert.resolved === null ? [] : [alert.resolved.at - alert.openedAt])));
  }

  /** All pages, with `between` done after each. */
  async pages(query: AlertListQuery, between: () => Promise<void>): Promise<Alert[]> {
    const all: Alert[] = [];
    for (let cursor = query.cursor; ; ) {
      const { data, nextCursor } = this.book.list({ ...query, cursor });
      expect(data.length).toBeLessThanOrEqual(query.limit);
      all.push(...data);
      if (nextCursor === null) return all;
      cursor = nextCursor;
      await between();
    }
  }

  private entryOf(trouble: string): OracleEntry | undefined {
    return this.oracle.entries.filter((entry) => entry.trouble === trouble).at(-1);
  }

  private codeOf(call: () => void): string | null {
    try {
      call();
      return null;
    } catch (error) {
      expect(error).toBeInstanceOf(OperationalError);
      return (error as OperationalError).code;
    }
  }
}

const sorted = (alerts: Alert[]) => alerts.sort((a, b) => (a.id < b.id ? -1 : 1));

function countsOf<K extends string>(keys: readonly K[], values: readonly K[]): Record<string, number> {
  return Object.fromEntries(keys.map((key) => [key, values.filter((value) => value === key).length]));
}

function nearMedian(said: number | null, durations: number[]): void {
  if (durations.length === 0) return expect(said).toBeNull();
  const median = durations.map((ms) => Math.max(0, ms)).sort((a, b) => a - b)[Math.ceil(durations.length / 2) - 1];
  expect(said!).toBeGreaterThanOrEqual(median * 0.95 - 1);
  expect(said!).toBeLessThanOrEqual(median * 1.05 + 1);
}

const QUERY: fc.Arbitrary<AlertListQuery> = fc.record({
  state: fc.constantFrom(null, 'active' as const, ...ALERT_STATES),
  type: fc.constantFrom(null, null, 'METER_OUTAGE' as const, 'ANOMALY' as const),
  severity: fc.constantFrom(null, null, ...SEVERITIES),
  region: fc.constantFrom(null, null, ...REGIONS),
  meterId: fc.constantFrom(null, null, ...METERS),
  isSuppressed: fc.constantFrom(null, null, true, false),
  from: fc.constantFrom(0, T, T + 60_000),
  to: fc.constantFrom(T + 90_000, 8e15),
  limit: fc.integer({ min: 1, max: 4 }),
  cursor: fc.constant(null),
});

const ALL: AlertListQuery = { state: null, type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: 8e15, limit: 2, cursor: null };

const WAITS = [0, 1, 1_000, 30_000, 61_000, 301_000, HOUR_MS];
const SCENES = [
  { name: 'time goes on, alerts flap', openings: fc.constantFrom(2, 3, 4), waits: WAITS },
  // Openings that were forgotten may be in the future again: that is for the unit tests.
  { name: 'the clock jumps either way', openings: fc.constant(100), waits: [...WAITS, -1, -70_000, -2 * HOUR_MS] },
] as const;

describe('the alert book is as a naive one', () => {
  for (const { name, openings, waits } of SCENES) {
    test(`in all that it says, over restarts: ${name}`, async () => {
      await fc.assert(
        fc.asyncProperty(rulesWith(openings), stepsWith(openings, waits), fc.array(QUERY, { minLength: 1, maxLength: 4 }), async (rules, steps, queries) => {
          const world = new World(rules);
          for (const [i, step] of steps.entries()) {
            await world.take(step);
            if (i % 4 === 0) world.compare();
          }
          world.compare();
          for (const query of queries) {
            const wanted = world.oracle.list(query).map((entry) => world.alertOf(entry));
            expect(await world.pages(query, () => Promise.resolve())).toEqual(newestFirst(wanted));
          }
          world.compareStatistics(T - HOUR_MS, T + 1);
          world.compareStatistics(0, 8e15);
          await world.commit();
          while (!world.read('position', 3));
          expect(sorted([...world.sink.values()])).toEqual(sorted([...world.mirror.values()]));
        }),
        { seed: SEED, numRuns: 400 },
      );
    });
  }

  test('pages hold each alert once while alerts change between them', async () => {
    await fc.assert(
      fc.asyncProperty(rulesWith(fc.constant(3)), stepsWith(fc.constant(3), WAITS), stepsWith(fc.constant(3), WAITS), async (rules, before, between) => {
        const world = new World(rules);
        for (const step of before) await world.take(step);
        world.compare();
        const known = newestFirst([...world.mirror.values()]).map(({ id }) => id);
        const seen = await world.pages(ALL, async () => {
          for (const step of between.splice(0, 3)) await world.take(step);
        });
        const ids = seen.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.filter((id) => known.includes(id))).toEqual(known);
      }),
      { seed: SEED, numRuns: 150 },
    );
  });
});

function newestFirst(alerts: Alert[]): Alert[] {
  return alerts.sort((a, b) => b.openedAt - a.openedAt || (a.id < b.id ? 1 : -1));
}
