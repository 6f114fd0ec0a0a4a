import { PLAN_QUARTERS_MAX, QUARTER_MS, type EnergyQuarter } from '../../src/model/energy.ts';
import { billionths } from './window-oracle.ts';

/** The energy that windows of 15 minutes stand for, in the words of bills. */

interface QuarterWindow {
  windowStart: number;
  energyKwhSum: number;
  energySource: 'measured' | 'estimated';
}

/** Past a double's whole billionths the window itself is rounded. */
const EXACT_KWH_MAX = 9e6;
/** Around each window as far as a gap is looked over, and one more. */
const MARGIN = 6;

/** What is wrong with a meter's quarter-hours, which `ask` gives, as its windows are; null: nothing. What has no window has no energy. */
export function energyProblem(windows: readonly QuarterWindow[], ask: (from: number, to: number) => EnergyQuarter[]): string | null {
  const byQuarter = new Map(windows.map((window) => [window.windowStart / QUARTER_MS, window]));
  const looked = new Set<number>();
  for (const number of byQuarter.keys()) {
    if (looked.has(number)) continue;
    const [from, to] = [number - MARGIN, Math.min(number + 96, number - MARGIN + PLAN_QUARTERS_MAX)];
    const quarters = ask(from, to);
    if (quarters.length !== to - from) return `${quarters.length} quarter-hours where ${to - from} were asked for`;
    for (const [i, quarter] of quarters.entries()) {
      if (quarter.quarter !== from + i) return `quarter-hour ${quarter.quarter} at the place of ${from + i}`;
      looked.add(quarter.quarter);
      const problem = quarterProblem(quarter, byQuarter);
      if (problem !== null) return problem;
    }
  }
  return null;
}

function quarterProblem({ quarter, microKwh, quality }: EnergyQuarter, windows: ReadonlyMap<number, QuarterWindow>): string | null {
  const window = windows.get(quarter);
  const said = `quarter-hour ${new Date(quarter * QUARTER_MS).toISOString()} has ${microKwh} microKwh (${quality})`;
  if (window === undefined) {
    const expected = isCovered(quarter, windows) ? 'estimated' : 'missing';
    return microKwh === 0 && quality === expected ? null : `${said} without a window; 0 (${expected}) is right`;
  }
  const isExact = Math.abs(window.energyKwhSum) < EXACT_KWH_MAX;
  const isRight = quality === window.energySource && (!isExact || roundings(window).includes(BigInt(microKwh)));
  return isRight ? null : `${said}, its window ${window.energyKwhSum} kWh (${window.energySource})`;
}

/** One of the four before a measured one, with nothing between them. */
function isCovered(quarter: number, windows: ReadonlyMap<number, QuarterWindow>): boolean {
  for (let next = quarter + 1; next <= quarter + 4; next++) {
    const window = windows.get(next);
    if (window !== undefined) return window.energySource === 'measured';
  }
  return false;
}

/** An engine that rounds a mean before it multiplies may differ from an estimate by a billionth. */
function roundings({ energyKwhSum, energySource }: QuarterWindow): bigint[] {
  const units = billionths(energyKwhSum);
  return (energySource === 'measured' ? [units] : [units - 1n, units, units + 1n]).map(halfEven);
}

function halfEven(units: bigint): bigint {
  const rest = ((units % 1_000n) + 1_000n) % 1_000n;
  const whole = (units - rest) / 1_000n;
  return rest > 500n || (rest === 500n && whole % 2n !== 0n) ? whole + 1n : whole;
}
