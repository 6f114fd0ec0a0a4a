import { METERS_PER_QUESTION_MAX, type EnergySource } from '../../src/actors/tariffs/energy-source.ts';
import type { MeterPlace } from '../../src/actors/tariffs/protocol.ts';
import { addUp, coverGaps, QUARTER_QUALITY } from '../../src/model/determinants.ts';
import type { Determinants, EnergyQuarter, MeteringPlan } from '../../src/model/energy.ts';
import { OperationalError } from '../../src/runtime/errors.ts';

interface FleetMeter extends MeterPlace {
  /** By number. */
  quarters: Map<number, { microKwh: number; quality: 'measured' | 'estimated' }>;
}

/** Meters and their energy in memory, asked as shards are. */
export class MemoryFleet implements EnergySource {
  private readonly byId = new Map<string, FleetMeter>();
  private readonly peaks = new Map<string, number>();
  /** Questions that were asked. */
  questions = 0;
  /** So many of the next questions find a shard away. */
  away = 0;
  /** Before each answer. */
  wait: () => Promise<void> = async () => {};

  add(meterId: string, region = 'north'): void {
    this.byId.set(meterId, { meterId, region, quarters: new Map() });
  }

  count(meterId: string, quarter: number, microKwh: number, quality: 'measured' | 'estimated' = 'measured'): void {
    this.byId.get(meterId)!.quarters.set(quarter, { microKwh, quality });
  }

  setPeak(region: string, quarter: number): void {
    this.peaks.set(region, quarter);
  }

  async meters(after: string | null, limit: number): Promise<{ meters: MeterPlace[]; next: string | null }> {
    await this.answer();
    const all = [...this.byId.values()];
    const first = after === null ? 0 : Number(after);
    const meters = all.slice(first, first + limit).map(({ meterId, region }) => ({ meterId, region }));
    return { meters, next: first + limit < all.length ? String(first + limit) : null };
  }

  async place(meterId: string): Promise<MeterPlace | null> {
    await this.answer();
    const found = this.byId.get(meterId);
    return found === undefined ? null : { meterId, region: found.region };
  }

  async determinants(meterIds: readonly string[], planOf: Uint8Array, plans: readonly MeteringPlan[]): Promise<(Determinants | null)[]> {
    await this.answer();
    if (meterIds.length > METERS_PER_QUESTION_MAX || planOf.length !== meterIds.length) throw new RangeError(`${meterIds.length} meters and ${planOf.length} plans in one question`);
    return meterIds.map((meterId, i) => this.addUp(meterId, plans[planOf[i]]));
  }

  async quarters(meterId: string, from: number, to: number): Promise<EnergyQuarter[] | null> {
    await this.answer();
    const found = this.byId.get(meterId);
    if (found === undefined) return null;
    return Array.from({ length: to - from }, (_, i) => ({ quarter: from + i, ...(found.quarters.get(from + i) ?? { microKwh: 0, quality: 'missing' as const }) }));
  }

  async regionPeak(region: string, from: number, to: number): Promise<number | null> {
    await this.answer();
    const peak = this.peaks.get(region);
    return peak !== undefined && peak >= from && peak < to ? peak : null;
  }

  private addUp(meterId: string, plan: MeteringPlan): Determinants | null {
    const found = this.byId.get(meterId);
    if (found === undefined) return null;
    const length = plan.energyBuckets.length;
    const energy = new Float64Array(length);
    const quality = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const known = found.quarters.get(plan.firstQuarter + i);
      if (known === undefined) continue;
      energy[i] = known.microKwh;
      quality[i] = QUARTER_QUALITY[known.quality];
    }
    coverGaps(quality);
    return addUp(plan, energy, quality);
  }

  private async answer(): Promise<void> {
    this.questions++;
    await this.wait();
    if (this.away === 0) return;
    this.away--;
    throw new OperationalError('deadline', 'shard 1 did not answer in time', { retryable: true });
  }
}
