import { describe, expect, it } from 'vitest';
import { billionths, windowsOf } from '../oracle/window-oracle.ts';

const AT = Date.UTC(2026, 0, 1);
const reading = (second: number, powerKw: number, extra = {}) => ({ meterId: 'm', region: 'r', timestamp: AT + second * 1_000, powerKw, ...extra });

describe('the window oracle', () => {
  it('agrees with windows worked out by hand', () => {
    const readings = [reading(50, 0.3, { voltage: 231, region: 'new' }), reading(0, 0.1, { voltage: 229 }), reading(59, 9, { status: 'ERROR' as const }), reading(0, 7), reading(60, -1)];
    expect(windowsOf(readings, '1m')).toEqual([
      { meterId: 'm', region: 'new', granularity: '1m', windowStart: AT, windowEnd: AT + 60_000, avgPowerKw: 0.2, minPowerKw: 0.1, maxPowerKw: 0.3, energyKwhSum: 0.003333333, energySource: 'estimated', voltageAvg: 230, voltageMin: 229, voltageMax: 231, count: 2 },
      { meterId: 'm', region: 'r', granularity: '1m', windowStart: AT + 60_000, windowEnd: AT + 120_000, avgPowerKw: -1, minPowerKw: -1, maxPowerKw: -1, energyKwhSum: -0.016666667, energySource: 'estimated', voltageAvg: null, voltageMin: null, voltageMax: null, count: 1 },
    ]);
    const [quarter] = windowsOf(readings, '15m');
    expect([quarter.count, quarter.avgPowerKw, quarter.energyKwhSum]).toEqual([3, -0.2, -0.05]);
  });

  it('sums the energy that readings carry', () => {
    const [window] = windowsOf([reading(0, 1, { energyKwh: 0.1 }), reading(10, 1, { energyKwh: 0.2 })], '1m');
    expect([window.energyKwhSum, window.energySource]).toEqual([0.3, 'measured']);
  });

  it('takes numbers as their decimal text, half up', () => {
    expect([billionths(0.1), billionths(-2), billionths(1e-9), billionths(5e-10), billionths(-5e-10), billionths(1.5e21)]).toEqual([100_000_000n, -2_000_000_000n, 1n, 1n, 0n, 1_500_000_000_000_000_000_000_000_000_000n]);
  });
});
