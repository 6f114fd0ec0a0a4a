import { expect, test } from 'vitest';
import { monthStart } from '../support/month-start.ts';

test.each([
  ['2026-12-01T11:59:59.999Z', ['2026-11', '2026-10']],
  ['2026-12-01T12:00:00Z', ['2026-12', '2026-11']],
  ['2027-01-01T00:00:00Z', ['2026-12', '2026-11']],
  ['2027-01-31T23:59:59Z', ['2027-01', '2026-12']],
])('at %s bills can be made of what is before %j', (now, months) => {
  expect([0, 1].map((ago) => new Date(monthStart(ago, Date.parse(now))).toISOString())).toEqual(months.map((month) => `${month}-01T00:00:00.000Z`));
});
