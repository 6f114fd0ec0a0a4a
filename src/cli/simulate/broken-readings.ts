import type { BodyFormat } from '../../actors/ingest/protocol.ts';
import type { RejectCode } from '../../model/reading.ts';
import { FREQUENCY_HZ_MAX, POWER_KW_MAX } from '../../model/reading.ts';
import type { SpoiledElement, WireReading } from '../wire-reading.ts';

const DAY_MS = 86_400_000;
/** Well past the default correction horizon of 40 days. */
const TOO_LATE_MS = 400 * DAY_MS;

interface Fault {
  code: RejectCode;
  /** Fields to change; undefined removes a field. */
  change?: (reading: WireReading) => Record<string, unknown>;
  /** What stands in place of a reading. */
  instead?: { json: string; value: unknown };
  /** Only in these formats; absent: in all. */
  formats?: readonly BodyFormat[];
  /** Only for a meter that the engine has heard of. */
  knownMeterOnly?: boolean;
}

/** Every way in which DESIGN has a reading rejected, short of filling the engine with meters or regions. */
const FAULTS: readonly Fault[] = [
  { code: 'not_an_object', instead: { json: '42', value: 42 } },
  { code: 'not_an_object', instead: { json: '"reading"', value: 'reading' } },
  { code: 'not_an_object', instead: { json: 'null', value: null } },
  { code: 'invalid_json', instead: { json: '{"meterId":"meter-000001",', value: null }, formats: ['ndjson'] },
  { code: 'missing_field', change: () => ({ meterId: undefined }) },
  { code: 'missing_field', change: () => ({ region: undefined }) },
  { code: 'missing_field', change: () => ({ timestamp: undefined }) },
  { code: 'missing_field', change: () => ({ powerKw: undefined }) },
  { code: 'invalid_type', change: (reading) => ({ powerKw: String(reading.powerKw) }) },
  { code: 'invalid_type', change: () => ({ meterId: 17 }) },
  { code: 'invalid_type', change: () => ({ voltage: [230] }) },
  { code: 'invalid_meter_id', change: () => ({ meterId: 'm'.repeat(65) }) },
  { code: 'invalid_meter_id', change: () => ({ meterId: 'meter "1"\u0000' }) },
  { code: 'invalid_region', change: () => ({ region: 'nord/süd' }) },
  { code: 'invalid_reading_id', change: () => ({ readingId: 'r'.repeat(65) }) },
  { code: 'invalid_timestamp', change: () => ({ timestamp: '2026-02-30T00:00:00Z' }) },
  { code: 'invalid_timestamp', change: () => ({ timestamp: '2026-01-31T12:00:00' }) },
  { code: 'invalid_timestamp', change: (reading) => ({ timestamp: reading.timestamp + 0.5 }) },
  { code: 'timestamp_too_old', change: () => ({ timestamp: '1969-12-31T23:59:59Z' }) },
  { code: 'timestamp_in_future', change: () => ({ timestamp: '2099-01-01T00:00:00Z' }) },
  { code: 'not_finite', change: () => ({ powerKw: Infinity }) },
  { code: 'out_of_range', change: () => ({ powerKw: POWER_KW_MAX * 2 }) },
  { code: 'out_of_range', change: () => ({ voltage: -1 }) },
  { code: 'out_of_range', change: () => ({ frequency: FREQUENCY_HZ_MAX * 2 }) },
  { code: 'out_of_range', change: () => ({ powerFactor: 1.5 }) },
  { code: 'invalid_status', change: () => ({ status: 'ok' }) },
  { code: 'conflict', change: (reading) => ({ readingId: undefined, powerKw: reading.powerKw + 1 }), knownMeterOnly: true },
  { code: 'too_late', change: (reading) => ({ readingId: undefined, timestamp: reading.timestamp - TOO_LATE_MS }), knownMeterOnly: true },
];

/** Makes broken copies of good readings, each kind of fault in turn. */
export class BrokenReadings {
  private readonly faults: readonly Fault[];
  private turn = 0;

  constructor(format: BodyFormat) {
    this.faults = FAULTS.filter((fault) => fault.formats === undefined || fault.formats.includes(format));
  }

  /** A broken element and the code it must be rejected with. `settled`: an earlier reading of the same meter, null when there is none. */
  next(reading: WireReading, settled: WireReading | null): { code: RejectCode; element: SpoiledElement } {
    let fault = this.faults[this.turn++ % this.faults.length];
    while (fault.knownMeterOnly && settled === null) fault = this.faults[this.turn++ % this.faults.length];
    if (fault.instead !== undefined) return { code: fault.code, element: fault.instead };
    const original = fault.knownMeterOnly ? settled! : reading;
    const value: Record<string, unknown> = { ...original, ...fault.change?.(original) };
    for (const name of Object.keys(value)) if (value[name] === undefined) delete value[name];
    return { code: fault.code, element: { json: toJson(value), value } };
  }
}

/** JSON has no Infinity; 1e999 is what a sender that has one writes, and what JSON.parse reads as one. */
function toJson(value: Record<string, unknown>): string {
  return `{${Object.entries(value)
    .map(([name, field]) => `${JSON.stringify(name)}:${field === Infinity ? '1e999' : JSON.stringify(field)}`)
    .join(',')}}`;
}
