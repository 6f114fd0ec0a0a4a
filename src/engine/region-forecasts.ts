import { finalFrom } from '../actors/region/state.ts';
import { forecastLoad, HISTORY_QUARTERS } from '../actors/region/load-forecast.ts';
import { QUARTER_MS } from '../model/energy.ts';
import type { RegionId } from '../model/ids.ts';
import type { Page, WindowQuery } from '../model/queries.ts';
import type { LoadForecast, QuarterLoad, RegionForecast } from '../model/region-forecast.ts';
import type { RegionWindow } from '../model/window.ts';
import type { Clock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';

/** Forecasts kept: a page shows some dozens of regions, in the zone of who looks. Each is 192 quarter-hours, some 30 KB. */
const KEPT_MAX = 200;
/** Made one after the other, of a page of regions within a second or two; more than this waiting would be late. */
const WAITING_MAX = 64;
/** Windows asked for at once: five weeks are four questions to each shard. */
const PAGE_WINDOWS = 1_000;

/**
 * Forecasts of regions, made when somebody asks from the regional windows that the shards keep anyway: a fleet costs nothing more for them, however large. One is kept until the next quarter-hour of its region is over; what is
 * corrected meanwhile counts from then on.
 */
export class RegionForecasts {
  readonly #options: { latenessMs: number };
  readonly #modules: { windows: (region: RegionId, query: WindowQuery) => Promise<Page<RegionWindow> | null>; clock: Clock };
  /** By region, zone and origin; the one that was asked for last is last. */
  readonly #kept = new Map<string, Promise<LoadForecast | null>>();
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: { latenessMs: number }, modules: { windows: (region: RegionId, query: WindowQuery) => Promise<Page<RegionWindow> | null>; clock: Clock }) {
    this.#options = options;
    this.#modules = modules;
  }

  /** null: no such region. Rejects with `busy` (retryable) when many are being made, and as a question about windows does. */
  async of(region: RegionId, zone: string): Promise<RegionForecast | null> {
    const origin = this.#origin();
    const key = `${region} ${zone} ${origin}`;
    let made = this.#kept.get(key);
    if (made === undefined) {
      if (this.#waiting >= WAITING_MAX) throw new OperationalError('busy', `${WAITING_MAX} forecasts are being made already`, { retryable: true });
      made = this.#inTurn(() => this.#make(region, zone, origin));
      // What failed, and a region that nobody knows, is asked for anew.
      made.then((forecast) => forecast === null && this.#kept.delete(key), () => this.#kept.delete(key));
    }
    this.#kept.delete(key);
    this.#kept.set(key, made);
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    const forecast = await made;
    return forecast === null ? null : { region, zone, asOf: origin * QUARTER_MS, ...forecast };
  }

  /** The first quarter-hour of which not every meter's window is known to be closed. */
  #origin(): number {
    return Math.floor((this.#modules.clock.now() - finalFrom(0, this.#options.latenessMs)) / QUARTER_MS);
  }

  /** One at a time, in the order in which they are asked for. */
  #inTurn<T>(make: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const made = this.#last.then(make).finally(() => this.#waiting--);
    this.#last = made.catch(() => {});
    return made;
  }

  async #make(region: RegionId, zone: string, origin: number): Promise<LoadForecast | null> {
    const query = { granularity: '15m' as const, from: (origin - HISTORY_QUARTERS) * QUARTER_MS, to: origin * QUARTER_MS, limit: PAGE_WINDOWS };
    const loads: QuarterLoad[] = [];
    for (let cursor: string | null = null; ; ) {
      const page: Page<RegionWindow> | null = await this.#modules.windows(region, { ...query, cursor });
      if (page === null) return null;
      for (const { windowStart, sumPowerKw } of page.data) loads.push({ quarter: windowStart / QUARTER_MS, powerKw: sumPowerKw });
      cursor = page.nextCursor;
      if (cursor === null) return forecastLoad(zone, loads, origin);
    }
  }
}
