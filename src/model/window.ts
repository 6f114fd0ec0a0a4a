/** Tumbling windows, aligned to UTC. */

export const GRANULARITIES = ['1m', '15m'] as const;
export type Granularity = (typeof GRANULARITIES)[number];

export const GRANULARITY_MS: Readonly<Record<Granularity, number>> = { '1m': 60_000, '15m': 900_000 };

/** How `energyKwhSum` came about: summed from the meter's own registers, or mean power × time. */
export type EnergySource = 'measured' | 'estimated';

/** A meter's window as the API, Kafka and the tables show it. Times are epoch milliseconds; windowEnd is exclusive. */
export interface MeterWindow {
  meterId: string;
  region: string;
  granularity: Granularity;
  windowStart: number;
  windowEnd: number;
  avgPowerKw: number;
  minPowerKw: number;
  maxPowerKw: number;
  energyKwhSum: number;
  energySource: EnergySource;
  /** null when no reading of the window carried a voltage. */
  voltageAvg: number | null;
  voltageMin: number | null;
  voltageMax: number | null;
  /** Readings that feed the window (status OK). */
  count: number;
  /** 0 as first closed; one more for each correction after that. */
  revision: number;
  final: boolean;
}

/** A region's window: the sum over the meters whose window was last in that region. */
export interface RegionWindow {
  region: string;
  granularity: Granularity;
  windowStart: number;
  windowEnd: number;
  /** Meters with at least one counted reading in the window. */
  metersReporting: number;
  /** Sum of the meters' avgPowerKw. */
  sumPowerKw: number;
  /** sumPowerKw / metersReporting. */
  avgPowerKw: number;
  /** Lowest and highest single reading of any of the meters. */
  minPowerKw: number;
  maxPowerKw: number;
  energyKwhSum: number;
  /** null when no capacity is configured for the region. */
  capacityKw: number | null;
  loadPercent: number | null;
  /** False while some meter's window may still be open. */
  final: boolean;
}

/** Start of the window that holds `timestampMs`. */
export function windowStart(timestampMs: number, windowMs: number): number {
  return Math.floor(timestampMs / windowMs) * windowMs;
}
