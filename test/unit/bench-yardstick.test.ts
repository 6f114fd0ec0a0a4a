import { describe, expect, it } from 'vitest';
import { DESIGN_PARSED_PER_SECOND, parsedPerSecond, yardstickLine } from '../../bench/yardstick.ts';

describe('the yardstick of a benchmark', () => {
  it('counts what a core parses', () => {
    expect(parsedPerSecond(1)).toBeGreaterThan(1_000);
  });

  it('says which share of the goals’ machine that is', () => {
    expect(yardstickLine(DESIGN_PARSED_PER_SECOND * 0.6)).toBe('Yardstick: one core parses 900,000 readings/s here and now, 0.60 of the machine that the goals were set on.');
  });
});
