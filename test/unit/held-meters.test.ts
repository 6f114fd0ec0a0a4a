import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** Which meters a page shows as somebody's, and when they were. The page is JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { heldMeters, heldText, lastMoment, localDate, spanOf } = await web('home/held-meters.js');
const { missingText, monthsHeld, monthsLater, partText } = await web('home/home-months.js');

const NOW = Date.parse('2026-07-15T12:00:00Z');
const held = (meterId: string, from: string | null, until: string | null) => ({ meterId, from, until });
const span = (from: string | null, until: string | null) => spanOf({ from, until });
const zoneBefore = process.env.TZ;

beforeEach(() => {
  process.env.TZ = 'Europe/Berlin';
});
afterEach(() => {
  if (zoneBefore === undefined) delete process.env.TZ;
  else process.env.TZ = zoneBefore;
});

describe('meters that are or were somebody’s', () => {
  test('are those of now by their ids, then those of before, the one that was left last first; what is to come is none', () => {
    const all = [held('z', null, null), held('old', null, '2024-01-01T00:00:00Z'), held('newer', null, '2026-07-15T12:00:00Z'), held('a', '2026-07-15T12:00:00Z', null), held('soon', '2026-07-15T12:00:00.001Z', null)];
    expect(heldMeters(all, NOW).map(({ meterId, isPresent }: any) => [meterId, isPresent])).toEqual([['a', true], ['z', true], ['newer', false], ['old', false]]);
  });

  test('have all their times, in order, of which one may be to come', () => {
    const all = [held('m', '2026-07-01T00:00:00Z', null), held('m', '2025-01-01T00:00:00Z', '2025-06-01T00:00:00Z'), held('m', '2030-01-01T00:00:00Z', null)];
    const [meter] = heldMeters(all, NOW);
    expect([meter.isPresent, meter.spans]).toEqual([true, [span('2025-01-01T00:00:00Z', '2025-06-01T00:00:00Z'), span('2026-07-01T00:00:00Z', null)]]);
    expect(lastMoment(meter)).toBe(Infinity);
  });
});

describe('the times in words', () => {
  test.each([
    [[span(null, null)], ''],
    [[span('2026-02-28T23:00:00Z', null)], 'since 1 Mar 2026'],
    // Until the midnight after the last day.
    [[span(null, '2026-06-30T22:00:00Z')], 'until 30 Jun 2026'],
    [[span('2026-02-28T23:00:00Z', '2026-06-30T12:30:00Z')], 'from 1 Mar 2026 to 30 Jun 2026, 14:30'],
    [[span(null, '2025-05-31T22:00:00Z'), span('2026-02-28T23:30:00Z', null)], 'until 31 May 2025 and since 1 Mar 2026, 00:30'],
  ])('%j', (spans, words) => {
    expect(heldText(spans)).toBe(words);
  });

  test('are of the clock on the wall', () => {
    expect(localDate(Date.parse('2026-06-30T22:00:00Z'))).toBe('2026-07-01');
    process.env.TZ = 'America/New_York';
    expect(localDate(Date.parse('2026-07-01T03:59:00Z'))).toBe('2026-06-30');
  });
});

describe('use by the month', () => {
  test('is asked for from the first month that something of is theirs to the last', () => {
    expect(monthsHeld([span('2026-02-28T23:00:00Z', '2026-06-30T22:00:00Z')], NOW)).toEqual({ first: '2026-03', end: '2026-07' });
    expect(monthsHeld([span('2026-02-28T22:59:00Z', '2026-06-30T22:00:01Z')], NOW)).toEqual({ first: '2026-02', end: '2026-08' });
    expect(monthsHeld([span('2024-01-10T00:00:00Z', '2024-02-10T00:00:00Z'), span('2026-05-01T00:00:00Z', null)], NOW)).toEqual({ first: '2024-01', end: '2026-08' });
    expect(monthsHeld([span(null, null)], Date.parse('2026-12-31T23:30:00Z'))).toEqual({ first: '1970-02', end: '2027-02' });
  });

  test('of a month that was not theirs as a whole says which days are meant', () => {
    const july = { month: '2026-07', from: '2026-06-30T22:00:00Z', to: '2026-07-31T22:00:00Z', isOver: true };
    expect(partText(july)).toBe('');
    expect(partText({ ...july, isOver: false })).toBe('so far');
    expect(partText({ ...july, from: '2026-07-10T12:00:00Z' })).toMatch(/10.*31/);
    expect(partText({ ...july, from: '2026-07-10T12:00:00Z', isOver: false })).toMatch(/10.*31.*, so far$/);
    expect(partText({ ...july, to: '2026-07-20T22:00:00Z' })).toMatch(/1\D.*20\D/);
    // The day on which clocks go forward has 23 hours.
    expect(partText({ month: '2026-03', from: '2026-02-28T23:00:00Z', to: '2026-03-29T08:00:00Z', isOver: true })).toMatch(/1\D.*29\D/);
  });

  test('says what is missing of it', () => {
    expect(missingText({ measured: 90, estimated: 6, missing: 0 })).toBe('');
    expect(missingText({ measured: 2_900, estimated: 75, missing: 1 })).toBe('less than 1 % not measured');
    expect(missingText({ measured: 50, estimated: 25, missing: 25 })).toBe('25 % not measured');
  });

  test('months are counted over the year', () => {
    expect([monthsLater('2026-12', 1), monthsLater('2026-01', -1), monthsLater('2026-03', -12)]).toEqual(['2027-01', '2025-12', '2025-03']);
  });
});
