import { OUTCOME, type Outcome } from '../../src/model/reading.ts';
import type { OracleReading } from './window-oracle.ts';

/** DESIGN.md's rules of identity and time, the slow and obvious way: which readings count, and what the sender of each is told. */
export class AcceptedReadings {
  private readonly horizonMs: number;
  private readonly byMeter = new Map<string, Map<number, OracleReading>>();
  private readonly newestMs = new Map<string, number>();
  /** powerKw of each meter's newest reading with status OK; 0 before the first. */
  readonly powerKw = new Map<string, number>();
  readonly region = new Map<string, string>();

  constructor(horizonMs: number) {
    this.horizonMs = horizonMs;
  }

  /** Takes one reading in, in the order of the log. */
  judge(reading: OracleReading): Outcome {
    const { meterId, timestamp } = reading;
    const newest = this.newestMs.get(meterId) ?? -Infinity;
    const ofMeter = this.byMeter.get(meterId) ?? new Map<number, OracleReading>();
    this.byMeter.set(meterId, ofMeter);
    const known = ofMeter.get(timestamp);
    if (known !== undefined) return said(known) === said(reading) ? OUTCOME.duplicate : OUTCOME.conflict;
    if (timestamp < newest - this.horizonMs) return OUTCOME.tooLate;
    ofMeter.set(timestamp, reading);
    if (timestamp > newest) {
      this.newestMs.set(meterId, timestamp);
      this.region.set(meterId, reading.region);
      if (reading.status !== 'ERROR') this.powerKw.set(meterId, reading.powerKw);
    }
    return OUTCOME.accepted;
  }

  /** Every reading that counts. */
  all(): OracleReading[] {
    return [...this.byMeter.values()].flatMap((ofMeter) => [...ofMeter.values()]);
  }

  meters(): string[] {
    return [...this.newestMs.keys()].sort();
  }

  newestOf(meterId: string): number {
    return this.newestMs.get(meterId)!;
  }

  countOf(meterId: string): number {
    return this.byMeter.get(meterId)!.size;
  }
}

/** What a reading says, apart from when and whose it is. */
function said({ region, powerKw, energyKwh, voltage, status }: OracleReading): string {
  return JSON.stringify([region, powerKw, energyKwh ?? null, voltage ?? null, status ?? 'OK']);
}
