import { describe, expect, it } from 'vitest';
import { counted, durationText, figure, ordinal } from '../../src/actors/alerts/conditions/figures.ts';
import { alertId, fingerprintOf } from '../../src/actors/alerts/fingerprint.ts';
import { patternMatcher } from '../../src/actors/alerts/selectors.ts';

describe('figures', () => {
  it('have the digits that somebody acts on', () => {
    expect([0, -0.0001, 0.12345, 0.5, 1, 94.04, 99.96, 100, 1234.56, -1_234_567].map(figure)).toEqual(['0', '0', '0.123', '0.5', '1', '94', '100', '100', '1,234.6', '−1,234,567']);
    expect([counted(1, 'meter'), counted(0, 'meter'), counted(4_000, 'meter')]).toEqual(['1 meter', '0 meters', '4,000 meters']);
    expect([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal)).toEqual(['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd', '111th']);
    expect([-5, 0, 1, 999, 1_500, 60_000, 61_000, 3_600_000, 3_660_000, 3_601_000, 90_061_000, 10 * 86_400_000].map(durationText)).toEqual([
      '0 s',
      '0 s',
      '1 ms',
      '999 ms',
      '1 s',
      '1 min',
      '1 min 1 s',
      '1 h',
      '1 h 1 min',
      '1 h',
      '1 d 1 h',
      '10 d',
    ]);
  });
});

describe('a fingerprint', () => {
  const subject = { region: 'region-01', meterId: null, component: null };

  it('is the same for the same trouble of the same thing', () => {
    const meter = { ...subject, meterId: 'meter-1' };
    const print = fingerprintOf({ rule: 'r', kind: 'outage', subject: meter });
    expect(print).toMatch(/^[0-9a-f]{16}$/);
    expect(fingerprintOf({ rule: 'r', kind: 'outage', subject: { ...meter, region: 'region-02' } })).toBe(print);
    const others = [
      fingerprintOf({ rule: 'r2', kind: 'outage', subject: meter }),
      fingerprintOf({ rule: 'r', kind: 'drop', subject: meter }),
      fingerprintOf({ rule: 'r', kind: 'outage', subject: { ...subject, region: 'meter-1' } }),
      fingerprintOf({ rule: 'r', kind: 'outage', subject: { region: null, meterId: null, component: 'meter-1' } }),
    ];
    expect(new Set([print, ...others]).size).toBe(5);
  });

  it('and a start name an alert', () => {
    expect(alertId('0123456789abcdef', 35)).toBe('0123456789abcdef-z');
  });
});

describe('patterns', () => {
  it('take everything when there are none, and no null when there are', () => {
    expect([patternMatcher([])(null), patternMatcher([])('a'), patternMatcher(['*'])(null), patternMatcher(['*'])('')]).toEqual([true, true, false, true]);
    expect(['region-01', 'region-1x', 'aregion-01', 'region-'].map(patternMatcher(['region-0*', 'region-']))).toEqual([true, false, false, true]);
    expect(patternMatcher(['*ab*b'])('ab')).toBe(false);
    expect(['aba', 'ab', 'abab', 'ba'].map(patternMatcher(['ab*a*']))).toEqual([true, false, true, false]);
  });

  it('take no time that a pattern could make long', () => {
    expect(patternMatcher([`${'*a'.repeat(31)}*b`])('a'.repeat(64))).toBe(false);
  });
});
