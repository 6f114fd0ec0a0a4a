import { DRAW, draw } from './seeded-random.ts';

/** What `--mode` may name. The first five change what meters measure, the last three how their readings arrive. */
export const SIMULATION_MODES = ['normal', 'peak', 'outage', 'theft', 'clock-drift', 'duplicates', 'late', 'broken'] as const;
export type SimulationMode = (typeof SIMULATION_MODES)[number];

export interface ScenarioOptions {
  seed: number;
  regions: number;
  meters: number;
  startMs: number;
  /** Event time before anything out of the ordinary happens, so that baselines can form. */
  onsetMs: number;
  modes: ReadonlySet<SimulationMode>;
}

/** `dark`: reports zero power and voltage; `silent`: reports nothing and uses nothing. */
export type Supply = 'on' | 'dark' | 'silent';

const MINUTE_MS = 60_000;
/** Peaks and outages come round in this time, so that a short demonstration shows one and a long run shows many. */
const EPISODE_MS = 30 * MINUTE_MS;
/** Heat pumps and chargers that start together: kW per household at the height of a peak. */
const PEAK_KW = 2.8;
const OUTAGE_METER_SHARE = 0.02;
const THEFT_SHARE = 0.05;
const DRIFT_SHARE = 0.1;
/** Below FUTURE_MS_MAX (5 min), so that drifting clocks are odd but not refused. */
const DRIFT_MS_MAX = 4 * MINUTE_MS;
const DRIFT_PERIOD_MS = 120 * MINUTE_MS;

/** What goes wrong where and when: a pure function of the options, the meter and the time. */
export class Scenario {
  private readonly options: ScenarioOptions;
  private readonly thiefForSure: number;
  private readonly drifterForSure: number;

  constructor(options: ScenarioOptions) {
    this.options = options;
    this.thiefForSure = Math.floor(draw(options.seed, DRAW.theft, -1) * options.meters);
    this.drifterForSure = Math.floor(draw(options.seed, DRAW.clockDrift, -1) * options.meters);
  }

  /** kW that a peak adds to each household of the region: ramps up for 8 min, holds for 12, ramps down for 8. */
  peakKw(region: number, atMs: number): number {
    const { seed, regions, modes } = this.options;
    const sinceMs = this.sinceOnset(atMs);
    if (!modes.has('peak') || sinceMs < 0) return 0;
    const episode = Math.floor(sinceMs / EPISODE_MS);
    if (Math.floor(draw(seed, DRAW.peakRegion, episode) * regions) !== region) return 0;
    const minute = (sinceMs % EPISODE_MS) / MINUTE_MS;
    return PEAK_KW * Math.max(0, Math.min(1, minute / 8, (28 - minute) / 8));
  }

  supply(meter: number, region: number, atMs: number): Supply {
    const { seed, regions, modes } = this.options;
    const sinceMs = this.sinceOnset(atMs);
    if (!modes.has('outage') || sinceMs < 0) return 'on';
    const episode = Math.floor(sinceMs / EPISODE_MS);
    const minute = (sinceMs % EPISODE_MS) / MINUTE_MS;
    if (Math.floor(draw(seed, DRAW.outageRegion, episode) * regions) === region) {
      const lastsMin = 3 + 5 * draw(seed, DRAW.outageRegion, episode, 1);
      if (minute >= 2 && minute < 2 + lastsMin) return draw(seed, DRAW.outageRegion, episode, 2) < 0.5 ? 'dark' : 'silent';
    }
    if (draw(seed, DRAW.outageMeter, meter, episode) < OUTAGE_METER_SHARE) {
      const startMin = 10 * draw(seed, DRAW.outageMeter, meter, -1 - episode);
      if (minute >= startMin && minute < startMin + 15) return 'silent';
    }
    return 'on';
  }

  /** Share of the true consumption that the meter shows: 1, or 0.1 … 0.4 once somebody has bypassed it. */
  shownShare(meter: number, atMs: number): number {
    const { seed, modes, onsetMs } = this.options;
    if (!modes.has('theft')) return 1;
    if (draw(seed, DRAW.theft, meter) >= THEFT_SHARE && meter !== this.thiefForSure) return 1;
    if (this.sinceOnset(atMs) < onsetMs * 0.5 * draw(seed, DRAW.theft, meter, 1)) return 1;
    return 0.1 + 0.3 * draw(seed, DRAW.theft, meter, 2);
  }

  /** How far the meter's clock is off, ms; changes slower than time passes, so timestamps stay in order. */
  clockErrorMs(meter: number, atMs: number): number {
    const { seed, modes, startMs } = this.options;
    if (!modes.has('clock-drift')) return 0;
    if (draw(seed, DRAW.clockDrift, meter) >= DRIFT_SHARE && meter !== this.drifterForSure) return 0;
    const reach = draw(seed, DRAW.clockDrift, meter, 1) * 2 - 1;
    const amplitudeMs = DRIFT_MS_MAX * Math.sign(reach) * (0.25 + 0.75 * Math.abs(reach));
    return Math.round(amplitudeMs * Math.sin((2 * Math.PI * (atMs - startMs)) / DRIFT_PERIOD_MS));
  }

  private sinceOnset(atMs: number): number {
    return atMs - this.options.startMs - this.options.onsetMs;
  }
}
