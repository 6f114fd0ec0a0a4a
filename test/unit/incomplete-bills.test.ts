import { expect, it } from 'vitest';
import { NO_INCOMPLETE, withIncomplete } from '../../src/actors/tariffs/incomplete-bills.ts';

it('bills are incomplete from one quarter-hour on of which nothing is known, and counted apart past a tenth', () => {
  const before = withIncomplete(NO_INCOMPLETE, [
    { measured: 2_980, estimated: 0, missing: 0 },
    { measured: 0, estimated: 2_980, missing: 0 },
    { measured: 2_979, estimated: 0, missing: 1 },
  ]);
  expect(before).toEqual({ bills: 1, aboveTenth: 0 });
  // An estimate is known.
  expect(withIncomplete(before, [{ measured: 80, estimated: 10, missing: 10 }])).toEqual({ bills: 2, aboveTenth: 0 });
  expect(withIncomplete(before, [{ measured: 80, estimated: 9, missing: 11 }])).toEqual({ bills: 2, aboveTenth: 1 });
});
