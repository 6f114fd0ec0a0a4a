import { expect } from 'vitest';
import { PLAN_QUARTERS_MAX, QUARTER_MS, type EnergyQuarter } from '../../src/model/energy.ts';
import { billionths, type OracleWindow } from '../oracle/window-oracle.ts';

/** Past a double's whole billionths the window itself is rounded. */
const EXACT_KWH_MAX = 9e6;

/** Holds a meter's quarter-hours against its windows of 15 minutes, which are in order, and looks around them: what has no window has no energy. */
export function expectEnergy(windows: readonly OracleWindow[], ask: (from: number, to: number) => EnergyQuarter[]): void {
  const expected = new Map(windows.map((window) => [window.windowStart / QUARTER_MS, window]));
  const looked = new Set<number>();
  for (const { windowStart } of windows) {
    const number = windowStart / QUARTER_MS;
    if (looked.has(number)) continue;
    const [from, to] = [number - 6, Math.min(number + 96, number - 6 + PLAN_QUARTERS_MAX)];
    const quarters = ask(from, to);
    expect(quarters.map(({ quarter }) => quarter)).toEqual(Array.from({ length: to - from }, (_, i) => from + i));
    for (const { quarter, microKwh, quality } of quarters) {
      looked.add(quarter);
      const window = expected.get(quarter);
      if (window === undefined) expect([quarter, microKwh, quality]).toEqual([quarter, 0, isCovered(quarter, expected) ? 'estimated' : 'missing']);
      else {
        expect([quarter, quality]).toEqual([quarter, window.energySource]);
        if (Math.abs(window.energyKwhSum) < EXACT_KWH_MAX) expect(roundings(window), `microKwh of quarter-hour ${quarter}`).toContain(BigInt(microKwh));
      }
    }
  }
}

/** One of the four before a measured one, with nothing between them. */
function isCovered(quarter: number, windows: ReadonlyMap<number, OracleWindow>): boolean {
  for (let next = quarter + 1; next <= quarter + 4; next++) {
    const window = windows.get(next);
    if (window !== undefined) return window.energySource === 'measured';
  }
  return false;
}

/** An engine that rounds a mean before it multiplies may differ from an estimate by a billionth. */
function roundings({ energyKwhSum, energySource }: OracleWindow): bigint[] {
  const units = billionths(energyKwhSum);
  return (energySource === 'measured' ? [units] : [units - 1n, units, units + 1n]).map(halfEven);
}

function halfEven(units: bigint): bigint {
  const rest = ((units % 1_000n) + 1_000n) % 1_000n;
  const whole = (units - rest) / 1_000n;
  return rest > 500n || (rest === 500n && whole % 2n !== 0n) ? whole + 1n : whole;
}
