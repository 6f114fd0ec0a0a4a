import { describe, expect, it } from 'vitest';
import { Conditions } from '../../src/actors/alerts/conditions/conditions.ts';
import { EPISODES_MAX } from '../../src/actors/alerts/conditions/episodes.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import { activeAfter, ended, episode, MINUTE_MS, observation, outage, region, rulesOf, spike, START_MS } from './alert-observations.ts';

const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const spikes = { name: 'spikes', condition: 'anomaly', kinds: ['spike'] };
const lasting = { name: 'lasting', condition: 'anomaly', kinds: ['spike'], for: '10m' };

describe('an episode that is over when it is first seen', () => {
  it('is raised and cleared where it met the rule', () => {
    const conditions = new Conditions(rulesOf(spikes, lasting));
    const brief = ended(spike('meter-1'), START_MS + 5 * MINUTE_MS);
    expect(conditions.observe(observation({ anomalies: [brief] }), START_MS + HOUR_MS)).toMatchObject([
      { state: 'raised', rule: 'spikes', startedAt: START_MS },
      { state: 'cleared', rule: 'spikes', startedAt: START_MS },
    ]);
    expect(conditions.openEpisodes).toBe(0);
    const long = ended(spike('meter-2'), START_MS + 10 * MINUTE_MS);
    expect(conditions.observe(observation({ anomalies: [long] }), START_MS + HOUR_MS).map(({ state, rule }) => `${state} ${rule}`)).toEqual([
      'raised spikes',
      'raised lasting',
      'cleared spikes',
      'cleared lasting',
    ]);
  });

  it('is the same when it began in the same report', () => {
    const conditions = new Conditions(rulesOf(spikes, lasting));
    const brief = spike('meter-1');
    const signals = conditions.observe(observation({ anomalies: [brief, ended(brief, START_MS + MINUTE_MS)] }), START_MS + 2 * MINUTE_MS);
    expect(signals.map(({ state, rule }) => `${state} ${rule}`)).toEqual(['raised spikes', 'cleared spikes']);
    expect(conditions.nextDueMs()).toBe(Infinity);
  });

  it('says nothing when it waited for a duration that it did not reach', () => {
    const conditions = new Conditions(rulesOf(lasting));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + MINUTE_MS);
    expect(conditions.observe(observation({ anomalies: [ended(spike('meter-1'), START_MS + 9 * MINUTE_MS)] }), START_MS + 12 * MINUTE_MS)).toEqual([]);
    expect(conditions.nextDueMs()).toBe(Infinity);
  });
});

describe('an episode', () => {
  it('is said again when its figures change, and not when they do not', () => {
    const conditions = new Conditions(rulesOf(spikes));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + 1)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1', { severity: 'CRITICAL', score: 24, value: 20 })] }), START_MS + 2)).toMatchObject([
      { state: 'raised', severity: 'CRITICAL', value: 20, unit: 'kW', startedAt: START_MS },
    ]);
  });

  it('takes the severity of the rule where it has one', () => {
    const conditions = new Conditions(rulesOf({ ...spikes, severity: 'INFO' }));
    expect(conditions.observe(observation({ anomalies: [spike('meter-1', { severity: 'CRITICAL' })] }), START_MS)).toMatchObject([{ severity: 'INFO' }]);
  });

  it('is raised when it becomes bad enough', () => {
    const conditions = new Conditions(rulesOf({ ...spikes, severityMin: 'CRITICAL', scoreMin: 20 }));
    expect(conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1', { severity: 'CRITICAL', score: 19 })] }), START_MS)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1', { severity: 'CRITICAL', score: 20 })] }), START_MS)).toHaveLength(1);
  });

  it('of which the end was missed is over when the next one begins', () => {
    const conditions = new Conditions(rulesOf(spikes));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS);
    const next = spike('meter-1', { startedAt: START_MS + HOUR_MS });
    expect(conditions.observe(observation({ anomalies: [next] }), START_MS + HOUR_MS)).toMatchObject([
      { state: 'cleared', startedAt: START_MS, reason: 'The meter has had another episode of the kind since.' },
      { state: 'raised', startedAt: START_MS + HOUR_MS },
    ]);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1'), ended(spike('meter-1'), START_MS + 1)] }), START_MS + HOUR_MS)).toEqual([]);
  });

  it('that goes to a region which the rule does not watch is cleared, and raised where another does', () => {
    const conditions = new Conditions(rulesOf({ ...spikes, regions: ['region-01'] }, { ...spikes, name: 'others', regions: ['region-02'] }));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1', { region: 'region-02' })] }), START_MS)).toMatchObject([
      { state: 'cleared', rule: 'spikes', reason: 'Rule spikes no longer matches: it watches regions region-01, and the meter is in region-02.' },
      { state: 'raised', rule: 'others', region: 'region-02', startedAt: START_MS },
    ]);
  });

  it('that began long ago is history and raises nothing, however it goes on', () => {
    const conditions = new Conditions(rulesOf(spikes));
    const nowMs = START_MS + DAY_MS + 1;
    expect(conditions.observe(observation({ anomalies: [spike('meter-1')] }), nowMs)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1', { severity: 'CRITICAL' })] }), nowMs)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: [ended(spike('meter-1'), nowMs)] }), nowMs)).toEqual([]);
    expect(conditions.observe(observation({ anomalies: [ended(spike('meter-2'), START_MS + 1)] }), nowMs)).toEqual([]);
  });

  it('that is seen in time is none, however long it goes on', () => {
    const conditions = new Conditions(rulesOf({ ...spikes, severityMin: 'CRITICAL' }));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS);
    expect(conditions.observe(observation({ anomalies: [spike('meter-1', { severity: 'CRITICAL' })] }), START_MS + 3 * DAY_MS)).toHaveLength(1);
  });

  it('of a meter whose clock is ahead waits from when it was seen', () => {
    const conditions = new Conditions(rulesOf(lasting));
    conditions.observe(observation({ anomalies: [spike('meter-1', { startedAt: START_MS + 5 * MINUTE_MS })] }), START_MS);
    expect(conditions.nextDueMs()).toBe(START_MS + 10 * MINUTE_MS);
  });
});

describe('too many episodes', () => {
  it('are counted and raise nothing, until there is room', () => {
    const conditions = new Conditions(rulesOf({ ...spikes, scoreMin: 20 }));
    for (let from = 0; from < EPISODES_MAX; from += 10_000) {
      conditions.observe(observation({ anomalies: Array.from({ length: 10_000 }, (_, i) => spike(`meter-${from + i}`)) }), START_MS);
    }
    const more = spike('one-more', { score: 30 });
    expect(conditions.observe(observation({ anomalies: [more, ended(spike('another', { score: 30 }), START_MS + 1)] }), START_MS)).toHaveLength(2);
    expect([conditions.openEpisodes, conditions.dropped]).toEqual([EPISODES_MAX, 1]);
    conditions.observe(observation({ anomalies: [ended(spike('meter-0'), START_MS + 1)] }), START_MS + 1);
    expect(conditions.observe(observation({ anomalies: [more] }), START_MS + 1)).toHaveLength(1);
  });
});

describe('a clock', () => {
  it('that is set back lets nothing wait longer than its duration', () => {
    const conditions = new Conditions(rulesOf(lasting));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + MINUTE_MS);
    const backMs = START_MS - HOUR_MS;
    conditions.tick(backMs);
    expect(conditions.nextDueMs()).toBe(backMs + 10 * MINUTE_MS);
    expect(conditions.tick(conditions.nextDueMs())).toMatchObject([{ state: 'raised', startedAt: START_MS }]);
    expect(conditions.tick(backMs)).toEqual([]);
  });

  it('that is set back does not keep a part of the engine waiting either', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const components = [{ component: 'sinks', isWell: false, since: START_MS, problem: 'It is away.' }];
    conditions.observe(observation({ components }), START_MS);
    conditions.observe(observation({ components }), START_MS - HOUR_MS);
    expect(conditions.tick(START_MS - HOUR_MS + 10_000)).toHaveLength(1);
  });
});

describe('a restart', () => {
  it('does not begin a duration anew', () => {
    const before = new Conditions(rulesOf(lasting));
    before.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + MINUTE_MS);
    const after = new Conditions(rulesOf(lasting));
    after.resume([], START_MS + 8 * MINUTE_MS);
    after.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + 8 * MINUTE_MS);
    expect(after.nextDueMs()).toBe(START_MS + 10 * MINUTE_MS);
  });

  it('does not make history of what waits for longer than history begins', () => {
    const conditions = new Conditions(rulesOf({ ...spikes, for: '2d' }));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + 1.5 * DAY_MS);
    expect(conditions.nextDueMs()).toBe(START_MS + 2 * DAY_MS);
  });

  it('clears alerts of rules that are gone, are off or watch something else, at once', () => {
    const before = new Conditions(rulesOf(spikes, { ...spikes, name: 'gone' }, { ...spikes, name: 'off' }, { ...spikes, name: 'elsewhere' }));
    const active = activeAfter(before.observe(observation({ anomalies: [spike('meter-1')] }), START_MS));
    const after = new Conditions(rulesOf(spikes, { ...spikes, name: 'off', enabled: false }, { ...spikes, name: 'elsewhere', regions: ['region-02'] }));
    after.resume(active, START_MS);
    expect(after.nextDueMs()).toBe(-Infinity);
    expect(after.tick(START_MS)).toMatchObject([
      { state: 'cleared', rule: 'gone', reason: 'There is no rule gone any more.' },
      { state: 'cleared', rule: 'off', reason: 'Rule off no longer matches: it is switched off.' },
      { state: 'cleared', rule: 'elsewhere' },
    ]);
    expect(after.nextDueMs()).toBe(Infinity);
    after.resume(active.slice(0, 1), START_MS);
    expect(after.tick(START_MS)).toEqual([]);
    expect(after.unconfirmed()).toEqual([{ meterId: 'meter-1', kind: 'spike', startedAt: START_MS }]);
  });

  it('asks for nothing of which every alert is cleared', () => {
    const active = activeAfter(new Conditions(rulesOf(spikes)).observe(observation({ anomalies: [spike('meter-1')] }), START_MS));
    const conditions = new Conditions(rulesOf());
    conditions.resume(active, START_MS);
    expect(conditions.tick(START_MS)).toHaveLength(1);
    expect(conditions.unconfirmed()).toEqual([]);
    expect(conditions.openEpisodes).toBe(0);
  });

  it('clears what the engine does not know any more', () => {
    const conditions = new Conditions(rulesOf(spikes));
    const active = activeAfter(new Conditions(rulesOf(spikes)).observe(observation({ anomalies: [spike('meter-1')] }), START_MS));
    conditions.resume(active, START_MS);
    const [lost] = conditions.unconfirmed();
    expect(conditions.forget({ ...lost, startedAt: lost.startedAt - 1 }, START_MS)).toEqual([]);
    expect(conditions.forget(lost, START_MS)).toMatchObject([{ state: 'cleared', startedAt: START_MS, reason: 'The engine has no such episode any more.' }]);
    expect(conditions.unconfirmed()).toEqual([]);
  });
});

describe('a change of rules', () => {
  it('clears what no longer matches, raises what does now, and says again only what changed', () => {
    const conditions = new Conditions(rulesOf(spikes, { ...spikes, name: 'same' }, { ...spikes, name: 'gone' }));
    conditions.observe(observation({ anomalies: [spike('meter-1'), spike('meter-2', { score: 40 })] }), START_MS);
    const signals = conditions.setRules(rulesOf({ ...spikes, scoreMin: 20 }, { ...spikes, name: 'same' }, { ...spikes, name: 'new', scoreMin: 40 }), START_MS + 1);
    expect(signals.map((signal) => `${signal.state} ${signal.rule} ${signal.meterId}`)).toEqual([
      'cleared spikes meter-1',
      'cleared gone meter-1',
      'cleared gone meter-2',
      'raised spikes meter-2',
      'raised new meter-2',
    ]);
    expect(signals[0]).toMatchObject({ reason: 'Rule spikes no longer matches: it begins at a score of 20, and the episode has 12.' });
  });

  it('changes a duration of what waits', () => {
    const conditions = new Conditions(rulesOf(lasting));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS);
    expect(conditions.setRules(rulesOf({ ...lasting, for: '20m' }), START_MS + MINUTE_MS)).toEqual([]);
    expect(conditions.nextDueMs()).toBe(START_MS + 20 * MINUTE_MS);
    expect(conditions.setRules(rulesOf({ ...lasting, for: '1m' }), START_MS + MINUTE_MS)).toHaveLength(1);
    expect(conditions.nextDueMs()).toBe(Infinity);
  });

  it('leaves what is active alone when its duration grows', () => {
    const conditions = new Conditions(rulesOf(spikes));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS);
    expect(conditions.setRules(rulesOf({ ...spikes, for: '20m' }), START_MS + MINUTE_MS)).toMatchObject([{ state: 'raised' }]);
  });
});

describe('what people read', () => {
  const said = (anomaly: ReturnType<typeof episode>, rule: object = {}) => {
    const conditions = new Conditions(rulesOf({ name: 'any', condition: 'anomaly', kinds: ['spike', 'drop', 'outage', 'flat_line', 'voltage_band'], ...rule }));
    const [signal] = conditions.observe(observation({ anomalies: [anomaly] }), START_MS + HOUR_MS);
    return signal.state === 'raised' ? [signal.title, signal.description] : [];
  };

  it('says what is wrong, with figures and units', () => {
    expect(said(spike('meter-1'), { for: '10m' })).toEqual([
      'High load at meter meter-1 in region-01: 9.2 kW instead of 1.1 kW',
      '9.2 kW where 1.1 kW is usual. That is 12 times the deviation that is usual for it. It has gone on for 10 min or more.',
    ]);
    expect(said(outage('meter-1'))).toEqual(['Outage of meter meter-1 in region-01', 'No readings any more, where 1.1 kW was usual.']);
    expect(said(episode('voltage_band', 'meter-1', { value: 262, expected: 230, message: '262 V, 13.9 % above the nominal 230 V' }))).toEqual([
      'Voltage of 262 V at meter meter-1 in region-01',
      '262 V, 13.9 % above the nominal 230 V.',
    ]);
  });
});

describe('an explanation', () => {
  const rules = rulesOf(
    spikes,
    { ...spikes, name: 'off', enabled: false },
    { ...spikes, name: 'drops', kinds: ['drop', 'outage'] },
    { ...spikes, name: 'critical', severityMin: 'CRITICAL' },
    { ...spikes, name: 'large', scoreMin: 1_234.5 },
    { ...spikes, name: 'others', meters: ['x-*'] },
    { ...lasting, for: '2h' },
  );

  it('says of each rule why it raised an alert or did not', () => {
    const conditions = new Conditions(rules);
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS);
    expect(conditions.explain(spike('meter-1'), START_MS + MINUTE_MS).map(({ step, outcome, reason }) => `${step} ${outcome}: ${reason}`)).toEqual([
      'rule passed: Rule spikes: it has raised an alert of this episode.',
      'rule stopped: Rule off: it is switched off.',
      'rule stopped: Rule drops: it is about drop, outage, and this is spike.',
      'rule stopped: Rule critical: it begins at CRITICAL, and the episode is WARN.',
      'rule stopped: Rule large: it begins at a score of 1,234.5, and the episode has 12.',
      'rule stopped: Rule others: it watches meters x-*, and this is meter-1.',
      'duration held: Rule lasting: it waits for another 1 h 59 min, as the rule asks for 2 h.',
    ]);
  });

  it('says of one that is over how long it lasted', () => {
    const conditions = new Conditions(rulesOf(lasting));
    expect(conditions.explain(ended(spike('meter-1'), START_MS + 90_000), START_MS + DAY_MS)).toMatchObject([
      { step: 'duration', outcome: 'stopped', reason: 'Rule lasting: it ended after 1 min 30 s, and the rule asks for 10 min.' },
    ]);
  });

  it('says that history raises nothing', () => {
    const conditions = new Conditions(rulesOf(spikes));
    conditions.observe(observation({ anomalies: [spike('meter-1')] }), START_MS + 2 * DAY_MS);
    expect(conditions.explain(spike('meter-1'), START_MS + 3 * DAY_MS)).toMatchObject([
      { outcome: 'stopped', reason: 'Rule spikes: when it was first seen it had begun 2 d before, which is history.' },
    ]);
  });

  it('says what an outage is part of', () => {
    const conditions = new Conditions(DEFAULT_RULES);
    const anomalies = Array.from({ length: 25 }, (_, i) => outage(`meter-${i}`));
    conditions.observe(observation({ regions: [region('region-01', 100)], anomalies }), START_MS);
    expect(conditions.explain(anomalies[3], START_MS).map(({ reason }) => reason)).toEqual([
      'Rule meter-outage: region-01 is dark, and the outage is part of that incident.',
      'Rule anomaly: it is about spike, drop, flat_line, voltage_band, and this is outage.',
      'Rule region-dark: 25 of 100 meters of region-01 are out, which is an incident of its own.',
    ]);
  });
});
