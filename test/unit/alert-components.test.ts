import { describe, expect, it } from 'vitest';
import { Conditions } from '../../src/actors/alerts/conditions/conditions.ts';
import type { ComponentHealth } from '../../src/actors/alerts/protocol.ts';
import { activeAfter, observation, rulesOf, START_MS } from './alert-observations.ts';

const engine = { name: 'engine', condition: 'system', components: ['shard-*', 'sinks'] };
const away = (component: string, parts: Partial<ComponentHealth> = {}): ComponentHealth => ({ component, isWell: false, since: START_MS, problem: 'It does not answer.', ...parts });
const well = (component: string): ComponentHealth => away(component, { isWell: true, problem: '' });

function observe(conditions: Conditions, nowMs: number, ...components: ComponentHealth[]) {
  return conditions.observe(observation({ components }), nowMs);
}

describe('a part of the engine', () => {
  it('is an alert when it is away for long enough, and until it is well', () => {
    const conditions = new Conditions(rulesOf(engine));
    expect(observe(conditions, START_MS + 9_999, away('shard-0'), away('kafka'))).toEqual([]);
    expect(conditions.nextDueMs()).toBe(START_MS + 10_000);
    expect(conditions.tick(START_MS + 10_000)).toEqual([
      {
        state: 'raised',
        rule: 'engine',
        type: 'SYSTEM_FAILURE',
        kind: 'system',
        severity: 'CRITICAL',
        startedAt: START_MS,
        region: null,
        meterId: null,
        component: 'shard-0',
        title: 'Part of the engine is not well: shard-0',
        description: 'It does not answer. It has been so for 10 s or more.',
        value: null,
        threshold: null,
        unit: null,
        affectedMeters: 0,
      },
    ]);
    expect(conditions.nextDueMs()).toBe(Infinity);
    expect(observe(conditions, START_MS + 20_000, well('shard-0'))).toEqual([
      { state: 'cleared', rule: 'engine', kind: 'system', startedAt: START_MS, region: null, meterId: null, component: 'shard-0', reason: 'shard-0 is well again.' },
    ]);
  });

  it('is none when it comes back in time, and begins anew after that', () => {
    const conditions = new Conditions(rulesOf(engine));
    observe(conditions, START_MS, away('shard-0'));
    expect(observe(conditions, START_MS + 5_000, well('shard-0'))).toEqual([]);
    expect(conditions.nextDueMs()).toBe(Infinity);
    observe(conditions, START_MS + 8_000, away('shard-0', { since: START_MS + 8_000 }));
    expect(conditions.nextDueMs()).toBe(START_MS + 18_000);
  });

  it('is said again when its problem is another', () => {
    const conditions = new Conditions(rulesOf({ ...engine, for: '0s' }));
    expect(observe(conditions, START_MS, away('sinks'))).toMatchObject([{ description: 'It does not answer.' }]);
    expect(observe(conditions, START_MS, away('sinks'))).toEqual([]);
    expect(observe(conditions, START_MS, away('sinks', { since: START_MS + 9, problem: 'It crashed.' }))).toMatchObject([{ description: 'It crashed.', startedAt: START_MS }]);
  });

  it('that is no part any more is no alert', () => {
    const conditions = new Conditions(rulesOf({ ...engine, for: '0s' }));
    observe(conditions, START_MS, away('sinks'));
    expect(observe(conditions, START_MS)).toMatchObject([{ state: 'cleared', reason: 'sinks is no part of the engine any more.' }]);
  });

  it('keeps the start of its alert over a restart', () => {
    const active = activeAfter(observe(new Conditions(rulesOf({ ...engine, for: '0s' })), START_MS, away('sinks'), away('shard-1')));
    const conditions = new Conditions(rulesOf(engine));
    conditions.resume(active, START_MS + 60_000);
    expect(observe(conditions, START_MS + 60_000, away('sinks', { since: START_MS + 59_000 }), well('shard-1'))).toMatchObject([
      { state: 'cleared', component: 'shard-1' },
      { state: 'raised', component: 'sinks', startedAt: START_MS },
    ]);
  });

  it('is cleared when no rule wants it, and said again when its rule is another', () => {
    const conditions = new Conditions(rulesOf({ ...engine, for: '0s' }, { ...engine, name: 'gone', for: '0s' }));
    observe(conditions, START_MS, away('sinks'), away('shard-0'));
    const signals = conditions.setRules(rulesOf({ ...engine, components: ['sinks'], severity: 'WARN' }), START_MS + 1);
    expect(signals.map((signal) => `${signal.state} ${signal.rule} ${signal.component}`)).toEqual([
      'cleared engine shard-0',
      'cleared gone sinks',
      'cleared gone shard-0',
      'raised engine sinks',
    ]);
    expect(signals.at(-1)).toMatchObject({ severity: 'WARN', startedAt: START_MS });
    expect(conditions.setRules(rulesOf({ ...engine, enabled: false }), START_MS + 2)).toMatchObject([{ state: 'cleared', reason: 'Rule engine is switched off.' }]);
  });
});
