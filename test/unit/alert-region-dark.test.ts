import { describe, expect, it } from 'vitest';
import { Conditions } from '../../src/actors/alerts/conditions/conditions.ts';
import { COMPANY_WAIT_MS } from '../../src/actors/alerts/conditions/company.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { Signal } from '../../src/actors/alerts/signal.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import { activeAfter, ended, MINUTE_MS, observation, outage, region, rulesOf, START_MS } from './alert-observations.ts';

const DAY_MS = 86_400_000;
const WELL = [{ component: 'shard-0', isWell: true, since: START_MS, problem: '' }];
const AWAY = [{ component: 'shard-0', isWell: false, since: START_MS, problem: 'It does not answer.' }];

/** Of meters from the number `from` on; each begins a second after the one before. */
const outages = (count: number, from = 0, parts: Partial<Anomaly> = {}): Anomaly[] =>
  Array.from({ length: count }, (_, i) => outage(`meter-${from + i}`, { startedAt: START_MS + (from + i) * 1_000, ...parts }));
const names = (signals: readonly Signal[]) => signals.map((signal) => `${signal.state} ${signal.kind} ${signal.meterId ?? signal.region}`);

/** 25 of 100 meters of region-01 are out: dark from the 20th on, over below 5. */
function darkRegion(nowMs = START_MS + MINUTE_MS): { conditions: Conditions; signals: Signal[] } {
  const conditions = new Conditions(DEFAULT_RULES);
  return { conditions, signals: conditions.observe(observation({ regions: [region('region-01', 100)], anomalies: outages(25) }), nowMs) };
}

describe('a dark region', () => {
  it('is one incident, which begins with the outage that made it one', () => {
    expect(darkRegion().signals).toEqual([
      {
        state: 'raised',
        rule: 'region-dark',
        type: 'METER_OUTAGE',
        kind: 'region_dark',
        severity: 'CRITICAL',
        startedAt: START_MS + 19_000,
        region: 'region-01',
        meterId: null,
        component: null,
        title: 'Region region-01 is dark: 25 of 100 meters are out',
        description: '25 % of its meters are without power or silent at once. From 10 % and 20 meters on that is one incident, and their outages are part of it.',
        value: 25,
        threshold: 10,
        unit: '%',
        affectedMeters: 25,
      },
    ]);
  });

  it('needs enough meters and a large enough share, and to know how many there are', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const isDark = (signals: Signal[]) => signals.some(({ kind }) => kind === 'region_dark');
    expect(isDark(conditions.observe(observation({ anomalies: outages(29) }), START_MS))).toBe(false);
    expect(isDark(conditions.observe(observation({ regions: [region('region-01', 291)] }), START_MS))).toBe(false);
    expect(isDark(conditions.observe(observation({ regions: [region('region-01', 290)] }), START_MS))).toBe(true);
    const small = new Conditions(DEFAULT_RULES);
    expect(isDark(small.observe(observation({ regions: [region('region-01', 19)], anomalies: outages(19) }), START_MS))).toBe(false);
  });

  it('tells how many meters are out once a second at most, and only what is new', () => {
    const { conditions } = darkRegion(START_MS);
    expect(conditions.observe(observation({ anomalies: outages(1, 25) }), START_MS + 300)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: outages(1, 26) }), START_MS + 600)).toEqual([]);
    expect(conditions.nextDueMs()).toBe(START_MS + 1_000);
    expect(conditions.tick(START_MS + 1_000)).toMatchObject([{ affectedMeters: 27, startedAt: START_MS + 19_000 }]);
    expect(conditions.nextDueMs()).toBe(Infinity);
    conditions.observe(observation({ anomalies: [...outages(1, 27), ended(outages(1, 26)[0], START_MS + 60_000)] }), START_MS + 2_500);
    expect(conditions.nextDueMs()).toBe(Infinity);
  });

  it('tells its figure though the clock was set back', () => {
    const { conditions } = darkRegion(START_MS);
    expect(conditions.observe(observation({ anomalies: outages(1, 25) }), START_MS - DAY_MS)).toMatchObject([{ affectedMeters: 26 }]);
  });

  it('is over when few are out: those get alerts of their own, and who came back with it gets none', () => {
    const { conditions } = darkRegion();
    const back = outages(21).map((one) => ended(one, START_MS + 2 * MINUTE_MS));
    const signals = conditions.observe(observation({ anomalies: back }), START_MS + 3 * MINUTE_MS);
    expect(names(signals)).toEqual(['cleared region_dark region-01']);
    expect(signals).toMatchObject([{ reason: '4 meters of the region are still out, below 5 %.' }]);
    // They wait, as others still come back.
    expect(conditions.nextDueMs()).toBe(START_MS + 3 * MINUTE_MS + COMPANY_WAIT_MS);
    expect(conditions.observe(observation({ anomalies: [ended(outages(1, 21)[0], START_MS + 3 * MINUTE_MS)] }), START_MS + 3 * MINUTE_MS + 1)).toEqual([]);
    expect(names(conditions.tick(conditions.nextDueMs())).sort()).toEqual([22, 23, 24].map((i) => `raised outage meter-${i}`));
  });

  it('leaves alerts that meters had before as they are', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const before = conditions.observe(observation({ regions: [region('region-01', 100)], anomalies: outages(2) }), START_MS);
    expect(names(before)).toEqual(['raised outage meter-0', 'raised outage meter-1']);
    expect(names(conditions.observe(observation({ anomalies: outages(23, 2) }), START_MS))).toEqual(['raised region_dark region-01']);
    expect(names(conditions.observe(observation({ anomalies: [ended(outages(1)[0], START_MS + MINUTE_MS)] }), START_MS + MINUTE_MS))).toEqual([
      'raised region_dark region-01',
      'cleared outage meter-0',
    ]);
  });

  it('has other alerts of its meters go on', () => {
    const { conditions } = darkRegion();
    const drop = { ...outage('meter-3'), kind: 'drop' as const, id: `meter-3/drop/${START_MS}` };
    expect(names(conditions.observe(observation({ anomalies: [drop] }), START_MS + MINUTE_MS))).toEqual(['raised drop meter-3']);
  });

  it('loses a meter that moves to a region with power, which then has an alert of its own', () => {
    const { conditions } = darkRegion();
    const moved = outages(1)[0];
    expect(names(conditions.observe(observation({ anomalies: [{ ...moved, region: 'region-02' }] }), START_MS + 3 * MINUTE_MS))).toEqual([
      'raised region_dark region-01',
      'raised outage meter-0',
    ]);
    expect(conditions.membersOf('region-01')).toBe(24);
    expect(conditions.membersOf('region-02')).toBe(0);
  });

  it('that becomes dark again is another incident, even where meters of the first are still out', () => {
    const conditions = new Conditions(rulesOf({ name: 'dark', condition: 'region_dark', metersMin: 2, sharePercent: 20, clearBelowPercent: 20 }));
    const at = START_MS;
    const [a, b, c] = ['a', 'b', 'c'].map((meterId) => outage(meterId, { startedAt: at }));
    const [first] = conditions.observe(observation({ regions: [region('region-01', 10)], anomalies: [a, b] }), at);
    conditions.observe(observation({ anomalies: [ended(b, at + 1)] }), at + 1);
    const [second] = conditions.observe(observation({ anomalies: [c] }), at + 2);
    expect([first.startedAt, second.startedAt]).toEqual([at, at + 1]);
  });
});

describe('outages that come one by one', () => {
  it('wait for each other where they may become an incident', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const nowMs = START_MS + MINUTE_MS;
    const signals = [conditions.observe(observation({ regions: [region('region-01', 100)] }), nowMs)];
    for (let i = 0; i < 25; i++) signals.push(conditions.observe(observation({ anomalies: outages(1, i) }), nowMs + i * 100));
    expect(names(signals.flat())).toEqual([
      'raised outage meter-0',
      'raised outage meter-1',
      'raised region_dark region-01',
    ]);
  });

  it('are part of it as well when they waited for it', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const nowMs = START_MS + MINUTE_MS;
    conditions.observe(observation({ regions: [region('region-01', 100)], anomalies: outages(10) }), nowMs);
    conditions.observe(observation({ anomalies: outages(10, 10) }), nowMs + 1);
    expect(conditions.tick(nowMs + COMPANY_WAIT_MS)).toEqual([]);
    const overMs = nowMs + MINUTE_MS;
    expect(names(conditions.observe(observation({ anomalies: outages(16).map((one) => ended(one, overMs)) }), overMs))).toEqual(['cleared region_dark region-01']);
    expect(conditions.observe(observation({ anomalies: outages(1, 16).map((one) => ended(one, overMs)) }), overMs + 1)).toEqual([]);
    expect(conditions.nextDueMs()).toBe(overMs + COMPANY_WAIT_MS);
  });

  it('are raised when nothing followed', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const nowMs = START_MS + MINUTE_MS;
    conditions.observe(observation({ regions: [region('region-01', 100)], anomalies: outages(3) }), nowMs);
    expect(conditions.explain(outages(3)[2], nowMs)[0]).toMatchObject({ outcome: 'held', reason: 'Rule meter-outage: it waits for another 15 s, as more of region-01 may follow, which would be one incident.' });
    expect(conditions.nextDueMs()).toBe(nowMs + COMPANY_WAIT_MS);
    expect(conditions.tick(nowMs + COMPANY_WAIT_MS)).toHaveLength(3);
  });

  it('are no company to themselves', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    for (const score of [1, 2, 3]) conditions.observe(observation({ anomalies: outages(1, 0, { score }) }), START_MS);
    expect(names(conditions.observe(observation({ anomalies: outages(1, 1) }), START_MS))).toEqual(['raised outage meter-1']);
  });

  it('wait no longer when the clock is set back', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    conditions.observe(observation({ anomalies: outages(3) }), START_MS + DAY_MS);
    conditions.tick(START_MS + MINUTE_MS);
    expect(conditions.nextDueMs()).toBe(START_MS + MINUTE_MS + COMPANY_WAIT_MS);
    expect(conditions.tick(conditions.nextDueMs())).toHaveLength(3);
  });

  it('wait for nothing when others went out long before', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    conditions.observe(observation({ regions: [region('region-01', 1_000)], anomalies: outages(50) }), START_MS);
    conditions.tick(START_MS + COMPANY_WAIT_MS);
    for (const i of [50, 51]) expect(conditions.observe(observation({ anomalies: outages(1, i) }), START_MS + COMPANY_WAIT_MS + 1)).toHaveLength(1);
    expect(conditions.observe(observation({ anomalies: outages(1, 52) }), START_MS + COMPANY_WAIT_MS + 1)).toHaveLength(0);
  });

  it('wait for nothing where no rule watches the region', () => {
    const conditions = new Conditions(rulesOf({ name: 'out', condition: 'anomaly', kinds: ['outage'] }, { name: 'dark', condition: 'region_dark', regions: ['region-02'] }));
    expect(conditions.observe(observation({ anomalies: outages(10) }), START_MS)).toHaveLength(10);
  });
});

describe('outages that were over before anybody looked', () => {
  const overlapping = (count: number) => outages(count, 0, { startedAt: START_MS }).map((one, i) => ended({ ...one, startedAt: START_MS + i }, START_MS + MINUTE_MS));

  it('are one incident where they were enough at once', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const signals = conditions.observe(observation({ regions: [region('region-01', 100)], anomalies: overlapping(40) }), START_MS + 10 * MINUTE_MS);
    expect(names(signals)).toEqual(['raised region_dark region-01', 'cleared region_dark region-01']);
    expect(signals[0]).toMatchObject({ startedAt: START_MS + 19, affectedMeters: 40 });
    // What comes next is judged by itself.
    expect(conditions.observe(observation({ anomalies: overlapping(1) }), START_MS + 11 * MINUTE_MS)).toHaveLength(2);
  });

  it('are outages where they came after each other', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const anomalies = Array.from({ length: 40 }, (_, i) => ended(outage(`meter-${i}`, { startedAt: START_MS + i }), START_MS + i + 1));
    const signals = conditions.observe(observation({ regions: [region('region-01', 100)], anomalies }), START_MS + 10 * MINUTE_MS);
    expect(signals).toHaveLength(80);
    expect(signals.every(({ kind }) => kind === 'outage')).toBe(true);
  });

  it('are outages where one ended as the other began', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const turn = START_MS + MINUTE_MS;
    const anomalies = Array.from({ length: 38 }, (_, i) => (i < 19 ? ended(outage(`meter-${i}`), turn) : ended(outage(`meter-${i}`, { startedAt: turn }), turn + 1)));
    const signals = conditions.observe(observation({ regions: [region('region-01', 100)], anomalies }), START_MS + 10 * MINUTE_MS);
    expect(signals).toHaveLength(76);
  });

  it('count together with those that go on', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const anomalies = [...overlapping(15), ...outages(10, 100, { startedAt: START_MS })];
    const signals = conditions.observe(observation({ regions: [region('region-01', 100)], anomalies }), START_MS + 10 * MINUTE_MS);
    expect(signals[0]).toMatchObject({ kind: 'region_dark', affectedMeters: 25 });
    expect(names(signals.slice(1))).toEqual(['cleared region_dark region-01']);
  });
});

describe('what comes for the second time', () => {
  it('neither counts a meter that is back nor takes one away that is out again', () => {
    const conditions = new Conditions(rulesOf({ name: 'dark', condition: 'region_dark', metersMin: 2, sharePercent: 20, clearBelowPercent: 20 }));
    const [a, b] = ['a', 'b'].map((meterId) => outage(meterId));
    const again = outage('b', { startedAt: START_MS + 1_000, region: 'region-02' });
    conditions.observe(observation({ regions: [region('region-01', 10), region('region-02', 10)], anomalies: [a, b] }), START_MS);
    conditions.observe(observation({ anomalies: [ended(b, START_MS + 500), again] }), START_MS + 1_000);
    expect(conditions.observe(observation({ anomalies: [b] }), START_MS + 2_000)).toEqual([]);
    expect(names(conditions.observe(observation({ anomalies: [ended(b, START_MS + 500), outage('c', { region: 'region-02' })] }), START_MS + 2_000))).toEqual(['raised region_dark region-02']);
  });
});

describe('the meters that a region has', () => {
  it('do not become fewer while a shard is away', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    conditions.observe(observation({ components: WELL, regions: [region('region-01', 400)], anomalies: outages(30) }), START_MS);
    expect(names(conditions.observe(observation({ components: AWAY, regions: [region('region-01', 200)] }), START_MS))).toEqual([]);
    expect(names(conditions.observe(observation({ components: WELL, regions: [region('region-01', 200)] }), START_MS))).toEqual(['raised region_dark region-01']);
  });
});

describe('a restart while a region is dark', () => {
  const resumed = (nowMs = START_MS + 5 * MINUTE_MS) => {
    const active = activeAfter(darkRegion().signals);
    const conditions = new Conditions(DEFAULT_RULES);
    conditions.resume(active, nowMs);
    return { conditions, nowMs };
  };

  it('waits for the shards to say which outages go on, and keeps the start', () => {
    const { conditions, nowMs } = resumed();
    expect(conditions.observe(observation({ regions: [region('region-01', 100)] }), nowMs)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: outages(3) }), nowMs)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: outages(22, 3) }), nowMs)).toEqual([]);
    expect(conditions.nextDueMs()).toBe(Infinity);
    expect(conditions.observe(observation({ anomalies: outages(2, 25) }), nowMs)).toMatchObject([{ affectedMeters: 27, startedAt: START_MS + 19_000 }]);
    expect(conditions.observe(observation({ anomalies: outages(27).map((one) => ended(one, nowMs)) }), nowMs)).toMatchObject([{ state: 'cleared', startedAt: START_MS + 19_000 }]);
  });

  it('waits likewise to hear how many meters there are', () => {
    const { conditions, nowMs } = resumed();
    expect(conditions.observe(observation({ anomalies: outages(3) }), nowMs)).toEqual([]);
    expect(conditions.observe(observation({ regions: [region('region-01', 100)] }), nowMs)).toEqual([]);
    expect(conditions.membersOf('region-01')).toBe(3);
  });

  it('clears the incident when all shards have been up for long enough and it is over', () => {
    const { conditions, nowMs } = resumed();
    conditions.observe(observation({ components: AWAY, regions: [region('region-01', 100)] }), nowMs + MINUTE_MS);
    conditions.observe(observation({ components: WELL, anomalies: outages(2) }), nowMs + 2 * MINUTE_MS);
    const dueMs = conditions.nextDueMs();
    expect(dueMs).toBe(nowMs + 3 * MINUTE_MS);
    expect(conditions.tick(dueMs - 1)).toEqual([]);
    expect(names(conditions.tick(dueMs))).toEqual(['cleared region_dark region-01']);
    expect(names(conditions.tick(dueMs + COMPANY_WAIT_MS))).toEqual(['raised outage meter-0', 'raised outage meter-1']);
  });

  it('does not make history of its outages, however long it lasts', () => {
    const { conditions, nowMs } = resumed(START_MS + 3 * DAY_MS);
    conditions.observe(observation({ regions: [region('region-01', 100)], anomalies: outages(25) }), nowMs);
    expect(names(conditions.observe(observation({ anomalies: outages(23).map((one) => ended(one, nowMs)) }), nowMs + MINUTE_MS))).toEqual(['cleared region_dark region-01']);
    expect(names(conditions.tick(nowMs + MINUTE_MS + COMPANY_WAIT_MS))).toEqual(['raised outage meter-23', 'raised outage meter-24']);
  });

  it('clears an incident whose rule is gone', () => {
    const active = activeAfter(darkRegion().signals);
    const conditions = new Conditions(rulesOf({ name: 'region-dark', condition: 'region_dark', regions: ['region-02'] }));
    conditions.resume(active, START_MS);
    expect(conditions.tick(START_MS)).toMatchObject([{ state: 'cleared', reason: 'Rule region-dark no longer watches region-01.' }]);
    const none = new Conditions(rulesOf());
    none.resume(active, START_MS);
    expect(none.tick(START_MS)).toMatchObject([{ state: 'cleared', reason: 'There is no rule region-dark any more.' }]);
  });
});

describe('a change of rules', () => {
  it('ends an incident that no rule wants, and its outages come up', () => {
    const { conditions } = darkRegion();
    const own = DEFAULT_RULES.rules.filter(({ condition }) => condition !== 'region_dark');
    const signals = conditions.setRules({ ...DEFAULT_RULES, rules: own }, START_MS + 5 * MINUTE_MS);
    expect(names(signals.slice(0, 2))).toEqual(['cleared region_dark region-01', 'raised outage meter-0']);
    expect(signals).toHaveLength(26);
  });

  it('begins one where the new rule is met, and says what it says by the new one', () => {
    const { conditions } = darkRegion();
    const stricter = (metersMin: number) => rulesOf({ name: 'region-dark', condition: 'region_dark', metersMin, severity: 'WARN' }, { name: 'other', condition: 'region_dark', metersMin: 25 });
    expect(conditions.setRules(stricter(26), START_MS + 5 * MINUTE_MS)).toMatchObject([
      { state: 'raised', rule: 'other', startedAt: START_MS + 24_000 },
      { state: 'raised', rule: 'region-dark', severity: 'WARN', startedAt: START_MS + 19_000 },
    ]);
  });
});
