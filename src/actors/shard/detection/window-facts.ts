/** A closed one-minute window as the detectors see it. A record the caller may reuse. */
export interface WindowFacts {
  /** Epoch ms, a multiple of 60,000. */
  startMs: number;
  avgPowerKw: number;
  /** Lowest and highest single reading. */
  minPowerKw: number;
  maxPowerKw: number;
  /** NaN when no reading of the window carried one. */
  voltageAvg: number;
  /** Share of the region's reporting meters that have power, 0 … 1; NaN when not known for the time of the window. */
  regionPoweredShare: number;
  /** Meters that report in the region. */
  regionReporting: number;
}
