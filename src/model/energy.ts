/**
 * A meter's energy by quarter-hour, as bills are made of it. All of it is whole numbers, so that sums do not depend on their order and money can be exact.
 *
 * The unit is a millionth of a kWh (`microKwh`), and of a kW (`microKw`): a meter's largest quarter-hour (1e6 kW) is 2.5e11 of them, and a double counts to 9e15 one by one.
 */

/** Quarter-hours are aligned to UTC; their number is epoch ms / QUARTER_MS. */
export const QUARTER_MS = 900_000;
export const MICRO = 1_000_000;
export const QUARTERS_PER_HOUR = 4;

/** A bucket that nothing is added to. */
export const NO_BUCKET = 255;
/** Buckets of a plan, each kind: what one byte can name beside NO_BUCKET. */
export const BUCKETS_MAX = 255;
/** Quarter-hours of a plan: a leap year and a day of time zones. */
export const PLAN_QUARTERS_MAX = 367 * 96;
/** Moments whose power a plan asks for: of each month of a year, and room. */
export const PLAN_MOMENTS_MAX = 64;

/**
 * What the quarter-hours of a meter are to be added up into. Made of a tariff's calendar in its time zone (actors/tariffs/metering-plan.ts); whoever adds up knows of neither.
 * Structured clone keeps it as it is.
 */
export interface MeteringPlan {
  /** Number of the first quarter-hour. */
  firstQuarter: number;
  /** Of each quarter-hour, the bucket of its energy. Its length is the number of quarter-hours. */
  energyBuckets: Uint8Array;
  energyBucketCount: number;
  /** Of each quarter-hour, the bucket of its power; NO_BUCKET: it makes no demand. As long as `energyBuckets`. */
  demandBuckets: Uint8Array;
  demandBucketCount: number;
  /** Quarter-hours of one demand interval: power is their mean. Intervals are aligned to UTC, and lie in the bucket of their first quarter-hour. */
  demandQuarters: 1 | 2 | 4;
  /** Quarter-hours in which a bucket ends and another begins, in order. Their energy is shared out by minutes, in whole units, what is left over going to the last. */
  splits: QuarterSplit[];
  /** Quarter-hours whose demand interval's power is asked for, as of a peak of the region; in order. */
  moments: number[];
  /** Indexes of the quarter-hours with which local days begin, in order, for `dayImportMicroKwh`; empty: days are not asked for. */
  dayStarts: number[];
  /** Nobody holds the answer against another: `digest` is 0. It takes longer to work out than the sums. */
  withoutDigest?: true;
}

export interface QuarterSplit {
  /** Index into `energyBuckets`; the bucket there is the first share's. */
  index: number;
  /** Bucket and minutes of each share; the minutes add up to 15. */
  shares: { bucket: number; minutes: number }[];
}

/** What a plan made of a meter's quarter-hours. Energy is that of each quarter-hour's net: what was taken from the grid less what was given to it. */
export interface Determinants {
  /** By energy bucket, of quarter-hours with a net import, microKwh. */
  importMicroKwh: number[];
  /** By energy bucket, of those with a net export, as a positive number, microKwh. */
  exportMicroKwh: number[];
  /** By demand bucket: highest mean power of a demand interval, microKw; 0 when none was above. Means are rounded to the nearest whole, halves up. */
  peakMicroKw: number[];
  /** By demand bucket: number of the quarter-hour with which the first interval of that power began; -1 when there is none. */
  peakQuarter: number[];
  /** By moment, microKw; 0 when there is nothing. Not below 0. */
  momentMicroKw: number[];
  /** By day of `dayStarts`. */
  dayImportMicroKwh: number[];
  dayExportMicroKwh: number[];
  quality: IntervalQuality;
  /** Of everything that went in, the same for the same quarter-hours: another one means that an issued bill may have to be corrected. */
  digest: number;
}

/** How the quarter-hours of a time are known; they add up to all of it. */
export interface IntervalQuality {
  /** By the meter's own count of energy. */
  measured: number;
  /** From its power, or within a gap that the count after it covers: the energy is right and when it flowed is not known. */
  estimated: number;
  /** Not at all: they count as nothing. */
  missing: number;
}

/** A quarter-hour of a meter as it is. */
export interface EnergyQuarter {
  /** Its number. */
  quarter: number;
  /** Net, negative is export; 0 when missing. */
  microKwh: number;
  quality: keyof IntervalQuality;
}
