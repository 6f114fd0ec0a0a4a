import type { WireReading } from '../wire-reading.ts';

/**
 * The readings of `seg prove`, each a function of its name (meter, minute, slot), so that the oracle needs to remember no more than one bit for
 * each. A minute's mean power tells which of its readings were counted and how often: a reading's power, in millionths of a kW, is a
 * digit in base 4 with a place of its own for every slot, on top of a multiple that belongs to meter and minute alone.
 */

/** Readings of a meter in one minute. */
export const SLOTS = 8;
const SLOT_MS = 60_000 / SLOTS;
/** Keeps the order of slots: a reading moves about within its slot. */
const JITTER_MS = SLOT_MS - 500;
/** One millionth of a kW: what a digit counts. */
const MICRO = 1e6;
/** Above every sum of digits that are 3 at most, so that a carry shows. */
const SALT_UNIT = 4 ** (SLOTS + 1);
const SALTS = 64;
const REGIONS = 4;

/** Names one reading. `meter` counts from 0, `minute` from 1970. */
export interface ReadingName {
  meter: number;
  minute: number;
  slot: number;
}

/** Whole numbers from which the windows follow. */
export interface Measurements {
  /** Millionths of a kW. */
  powerMicro: number;
  /** Millionths of a kWh; null: the meter sends none. */
  energyMicro: number | null;
  /** Tenths of a volt; null: the meter sends none. */
  voltageTenths: number | null;
}

export class ProofReadings {
  private readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }

  meterId(meter: number): string {
    return `proof-${String(meter).padStart(4, '0')}`;
  }

  region(meter: number): string {
    return `region-0${1 + (meter % REGIONS)}`;
  }

  timestampMs({ meter, minute, slot }: ReadingName): number {
    return minute * 60_000 + slot * SLOT_MS + (this.hash(meter, minute, slot, 1) % JITTER_MS);
  }

  measurements({ meter, minute, slot }: ReadingName): Measurements {
    return {
      powerMicro: 4 ** slot + SALT_UNIT * this.salt(meter, minute),
      energyMicro: meter % 2 === 0 ? this.hash(meter, minute, slot, 2) % 5_000 : null,
      voltageTenths: meter % 3 === 0 ? null : 2_200 + (this.hash(meter, minute, slot, 3) % 200),
    };
  }

  reading(name: ReadingName): WireReading {
    const { powerMicro, energyMicro, voltageTenths } = this.measurements(name);
    const timestamp = this.timestampMs(name);
    const meterId = this.meterId(name.meter);
    const reading: WireReading = { meterId, region: this.region(name.meter), timestamp, powerKw: powerMicro / MICRO };
    if (energyMicro !== null) reading.energyKwh = energyMicro / MICRO;
    if (voltageTenths !== null) reading.voltage = voltageTenths / 10;
    if (name.meter % 4 === 1) reading.readingId = `${meterId}-${timestamp}`;
    return reading;
  }

  /** The same natural key with another power, which the engine has to reject once it has the reading itself. */
  conflicting(name: ReadingName): WireReading {
    const { meterId, region, timestamp, powerKw } = this.reading(name);
    return { meterId, region, timestamp, powerKw: powerKw + 0.5 };
  }

  /** How often each slot's reading was counted in a one-minute window; null when no counting of this minute's readings gives this mean. */
  multiplicities(meter: number, minute: number, count: number, avgPowerKw: number): number[] | null {
    const sum = avgPowerKw * count * MICRO;
    const whole = Math.round(sum);
    let digits = whole - count * SALT_UNIT * this.salt(meter, minute);
    // The mean is rounded to 1e-9 kW, which is a thousandth of what a digit counts.
    if (Math.abs(sum - whole) > 0.05 || digits < 0 || digits >= SALT_UNIT) return null;
    const found: number[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      found.push(digits % 4);
      digits = Math.floor(digits / 4);
    }
    return digits === 0 && found.reduce((a, b) => a + b, 0) === count ? found : null;
  }

  private salt(meter: number, minute: number): number {
    return this.hash(meter, minute, 0, 4) % SALTS;
  }

  /** 32 bits; murmur3's finalizer over the parts. */
  private hash(meter: number, minute: number, slot: number, purpose: number): number {
    let h = this.seed | 0;
    for (const part of [meter, minute, slot, purpose]) {
      h = Math.imul(h ^ part, 0x85ebca6b);
      h ^= h >>> 13;
      h = Math.imul(h, 0xc2b2ae35);
      h ^= h >>> 16;
    }
    return h >>> 0;
  }
}
