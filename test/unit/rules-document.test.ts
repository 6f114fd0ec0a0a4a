import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alertRulesSchema, DEFAULT_RULES, parseAlertRules } from '../../src/actors/alerts/rules.ts';
import { rulesDocument } from '../../src/actors/alerts/rules-document.ts';

const duration = fc.tuple(fc.integer({ min: 0, max: 366 }), fc.constantFrom('ms', 's', 'm', 'h', 'd')).map(([count, unit]) => `${count}${unit}`);
const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,8}$/);

const rule = fc.oneof(
  fc.record({ name, condition: fc.constant('regional_load'), windows: fc.integer({ min: 1, max: 60 }) }, { requiredKeys: ['name', 'condition'] }),
  fc.record({ name, condition: fc.constant('anomaly'), kinds: fc.constant(['spike']), for: duration, enabled: fc.boolean() }, { requiredKeys: ['name', 'condition', 'kinds'] }),
  fc.record({ name, condition: fc.constant('system'), for: duration }, { requiredKeys: ['name', 'condition'] }),
);
const rules = fc.record(
  {
    rules: fc.uniqueArray(rule, { maxLength: 4, selector: (one) => one.name }),
    routes: fc.uniqueArray(fc.record({ name, groupWait: duration, groupInterval: duration, repeatInterval: duration }, { requiredKeys: ['name'] }), { maxLength: 3, selector: (one) => one.name }),
    escalations: fc.constant([{ name: 'night', levels: [{ after: '5m', notify: ['subscribers'] }, { after: '90s', notify: ['schedule:s-1'] }] }]),
    flapping: fc.record({ within: duration, stableFor: duration }),
    historyAfter: duration,
  },
  { requiredKeys: ['rules', 'routes'] },
);

describe('rules as a document', () => {
  test('read back are the same rules', () => {
    fc.assert(
      fc.property(rules, (given) => {
        const parsed = alertRulesSchema.parse(given);
        expect(alertRulesSchema.parse(rulesDocument(parsed))).toEqual(parsed);
      }),
    );
    expect(alertRulesSchema.parse(rulesDocument(DEFAULT_RULES))).toEqual(DEFAULT_RULES);
  });

  test('have every duration as people write it, also in fields that come later', () => {
    const document = JSON.stringify(rulesDocument(DEFAULT_RULES));
    expect(document).toContain('"historyAfter":"1d"');
    // Milliseconds that were left as a number: nothing else in the document is as large.
    expect(document).not.toMatch(/:\d{4,}/);
  });

  test('show a duration in the largest unit that it is whole in', () => {
    const shown = (text: string) => (rulesDocument(alertRulesSchema.parse({ rules: [], routes: [], historyAfter: text })) as { historyAfter: string }).historyAfter;
    expect(['0s', '0d', '1500ms', '90s', '60s', '120m', '48h', '366d'].map(shown)).toEqual(['0s', '0s', '1500ms', '90s', '1m', '2h', '2d', '366d']);
  });
});

describe('the example in docs/ALERTS.md', () => {
  test('is a document of rules, whose contacts and schedules are the only things it leaves to be made', () => {
    const text = readFileSync(fileURLToPath(new URL('../../docs/ALERTS.md', import.meta.url)), 'utf8');
    const [, example] = /```json\n([\s\S]*?)```/.exec(text)!;
    const { rules, faults } = parseAlertRules(JSON.parse(example));
    expect(faults).toBe(null);
    expect(rules!.rules.map(({ condition }) => condition)).toEqual(['regional_load', 'region_dark', 'anomaly', 'anomaly', 'system']);
  });
});
