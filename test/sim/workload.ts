import { SIM_START_MS, type PlannedElement, type PlannedReading, type PlannedRequest } from './planned-readings.ts';
import type { Random } from './random.ts';

/** What clients send: live readings, backfills, late ones, repeats, contradictions, nonsense. */

const METERS_MAX = 7;
const MINUTE_MS = 60_000;
/** The first few readings of a plan are said again and contradicted most. */
const SENT_KEPT_MAX = 400;

const SPOILED = ['{"meterId":"m0"}', '{"meterId":"m 0","region":"r0","timestamp":1772359200000,"powerKw":1}', '{"meterId":"m1","region":"r0","timestamp":1772359200000,"powerKw":"x"}', '{"meterId":"m1","region":"r0","timestamp":12,"powerKw":1}', '[1]', 'null', '{"meterId":"m2","region":"r0","timestamp":4102444800000,"powerKw":1}', '{"meterId":"m2","region":"r0","timestamp":1772359200000,"powerKw":1,"status":"WHAT"}'];

/** One meter's past as the plan knows it. */
interface PlannedMeter {
  meterId: string;
  region: string;
  newestMs: number;
  baseKw: number;
  carriesEnergy: boolean;
  carriesVoltage: boolean;
}

export class Workload {
  /** The clock as the plan expects it; delays of the run only add to it. */
  nowMs = SIM_START_MS;
  private readonly random: Random;
  private readonly regions: readonly string[];
  private readonly usesReadingIds: boolean;
  private readonly meters: PlannedMeter[];
  private readonly sent: PlannedReading[] = [];
  private nextSeq = 1;

  constructor(random: Random, regions: readonly string[], usesReadingIds: boolean) {
    this.random = random;
    this.regions = regions;
    this.usesReadingIds = usesReadingIds;
    this.meters = Array.from({ length: random.int(1, METERS_MAX) }, (_, i) => ({
      meterId: `m${i}`,
      region: random.pick(regions),
      newestMs: SIM_START_MS - (random.chance(0.5) ? 0 : random.int(1, 300) * MINUTE_MS),
      baseKw: random.int(100, 4_000) / 1_000,
      carriesEnergy: random.chance(0.3),
      carriesVoltage: random.chance(0.5),
    }));
  }

  /** What is sent at one moment: mostly one request, sometimes a burst. */
  requests(): PlannedRequest[] {
    const count = this.random.chance(0.1) ? this.random.int(3, 12) : 1;
    return Array.from({ length: count }, () => this.request());
  }

  /** Unique in the plan. */
  newSeq(): number {
    return this.nextSeq++;
  }

  private request(): PlannedRequest {
    const { random } = this;
    const isTorn = random.chance(0.02);
    return {
      format: random.pick(['json', 'json', 'ndjson', 'msgpack']),
      elements: random.chance(0.15) ? this.history() : Array.from({ length: random.int(1, 8) }, () => this.element()),
      isTorn,
      isDoubled: random.chance(0.05),
    };
  }

  private element(): PlannedElement {
    const { random } = this;
    const chance = random.next();
    if (chance < 0.03) return { spoiled: random.pick(SPOILED) };
    if (chance < 0.15 && this.sent.length > 0) return this.again({ ...this.anySent() });
    if (chance < 0.2 && this.sent.length > 0) return this.again({ ...this.anySent(), powerKw: this.powerKw(random.pick(this.meters)) });
    if (chance < 0.24 && this.usesReadingIds && this.sent.length > 0) return this.sameId();
    const meter = random.pick(this.meters);
    if (chance < 0.45) return this.reading(meter, meter.newestMs - this.lateBy());
    this.advance(meter, random.chance(0.6) ? random.pick([1_000, 10_000, 15_000, 30_000, 60_000]) : random.int(1, random.chance(0.1) ? 20 * MINUTE_MS : 90_000));
    return this.reading(meter, meter.newestMs);
  }

  /** Many readings of one meter in order, as after a time without connection: enough for baselines to form. */
  private history(): PlannedElement[] {
    const { random } = this;
    const meter = random.pick(this.meters);
    const stepMs = random.pick([20_000, 60_000, 60_000]);
    const count = random.int(8, 40);
    // A stretch that is out of the ordinary: more load, none, or the very same.
    const oddFrom = random.int(5, count);
    const oddFactor = random.pick([0, 0, 1, 8]);
    return Array.from({ length: count }, (_, i) => {
      this.advance(meter, stepMs);
      const reading = this.reading(meter, meter.newestMs);
      if (i >= oddFrom) reading.powerKw = oddFactor === 1 ? meter.baseKw : thousandths(meter.baseKw * oddFactor);
      return reading;
    });
  }

  private advance(meter: PlannedMeter, byMs: number): void {
    const next = meter.newestMs + byMs;
    // What is more than 5 min ahead of the clock is rejected; some of that may be.
    if (next <= this.nowMs + 4 * MINUTE_MS || this.random.chance(0.02)) meter.newestMs = next;
    else meter.newestMs += this.random.int(1, 50);
  }

  private lateBy(): number {
    const { random } = this;
    return random.int(1, random.pick([5_000, 120_000, 120_000, 20 * MINUTE_MS, 180 * MINUTE_MS]));
  }

  private sameId(): PlannedReading {
    const sent = this.sent[Math.max(0, this.sent.length - this.random.int(1, 30))];
    if (sent.readingId === undefined) return this.again({ ...sent });
    return this.again({ ...sent, timestamp: sent.timestamp + this.random.int(1, 90_000) });
  }

  private anySent(): PlannedReading {
    return this.random.pick(this.sent);
  }

  private again(reading: PlannedReading): PlannedReading {
    return { ...reading, seq: this.newSeq() };
  }

  private reading(meter: PlannedMeter, timestamp: number): PlannedReading {
    const { random } = this;
    if (random.chance(0.02)) meter.region = random.pick(this.regions);
    const reading: PlannedReading = { meterId: meter.meterId, region: meter.region, timestamp, powerKw: this.powerKw(meter), seq: this.newSeq() };
    if (meter.carriesEnergy && random.chance(0.9)) reading.energyKwh = random.int(-200, 900) / 1_000;
    if (meter.carriesVoltage && random.chance(0.9)) reading.voltage = random.chance(0.1) ? random.int(150_000, 270_000) / 1_000 : random.int(225_000, 236_000) / 1_000;
    if (random.chance(0.04)) reading.status = 'ERROR';
    if (this.usesReadingIds && random.chance(0.5)) reading.readingId = `id-${random.int(1, 1e9)}`;
    if (this.sent.length < SENT_KEPT_MAX) this.sent.push(reading);
    else this.sent[random.int(0, SENT_KEPT_MAX - 1)] = reading;
    return reading;
  }

  private powerKw(meter: PlannedMeter): number {
    const { random } = this;
    const chance = random.next();
    if (chance < 0.04) return 0;
    if (chance < 0.06) return random.int(-1e9, 1e9) / 1e9;
    if (chance < 0.1) return thousandths(-meter.baseKw);
    return thousandths(meter.baseKw * (0.9 + 0.2 * random.next()));
  }
}

function thousandths(value: number): number {
  const rounded = Math.round(value * 1_000) / 1_000;
  // JSON writes −0 as 0.
  return rounded === 0 ? 0 : rounded;
}
