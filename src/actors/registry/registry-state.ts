import { isDeepStrictEqual } from 'node:util';
import type { MeterId, RegionId } from '../../model/ids.ts';
import { changedFacts, daysFault, type MeterFacts, type RegisteredMeter } from '../../model/registered-meter.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { MeterRows } from './meter-book.ts';
import { REFUSED_FIELDS, type ImportRow, type MeterPatch, type MeterPut, type RowOutcome } from './protocol.ts';

/** What may be said of meters, over a book of them. What is refused has changed nothing. */

export interface ChangeContext {
  nowMs: number;
  by: string;
  /** Regions that the engine knows. */
  regions: ReadonlySet<string>;
  /** Others are taken, too. */
  takesNewRegions: boolean;
}

/** Throws `stale_version`, `serial_taken`, `unknown_region`, `bad_days`. */
export function putMeter(rows: MeterRows, { meterId, facts, version }: Pick<MeterPut, 'meterId' | 'facts' | 'version'>, context: ChangeContext): RegisteredMeter {
  const before = rows.get(meterId);
  requireVersion(before, version);
  return written(rows, meterId, before, facts, context);
}

/** Throws `unknown_registered_meter`, and as `putMeter`. */
export function changeMeter(rows: MeterRows, { meterId, change, version }: Pick<MeterPatch, 'meterId' | 'change' | 'version'>, context: ChangeContext): RegisteredMeter {
  const before = requireMeter(rows, meterId);
  requireVersion(before, version);
  return written(rows, meterId, before, changedFacts(factsOf(before), change), context);
}

/** Throws `unknown_registered_meter`, `stale_version`. */
export function removeMeter(rows: MeterRows, meterId: MeterId, version: number | null): void {
  const before = requireMeter(rows, meterId);
  requireVersion(before, version);
  rows.replace(before, null);
}

/** Changes a meter, or makes it; says what came of it and refuses nothing else. */
export function importRow(rows: MeterRows, row: ImportRow, context: ChangeContext): RowOutcome {
  if ('refusal' in row) return { meterId: row.meterId, outcome: 'refused', refusal: row.refusal };
  const { meterId, change } = row;
  const before = rows.get(meterId);
  try {
    const after = written(rows, meterId, before, changedFacts(factsOf(before), change), context);
    return { meterId, outcome: before === null ? 'created' : after === before ? 'unchanged' : 'updated' };
  } catch (error) {
    if (!(error instanceof OperationalError) || !Object.hasOwn(REFUSED_FIELDS, error.code)) throw error;
    return { meterId, outcome: 'refused', refusal: { code: error.code, path: REFUSED_FIELDS[error.code], message: error.message } };
  }
}

function written(rows: MeterRows, meterId: MeterId, before: RegisteredMeter | null, facts: ReturnType<typeof changedFacts>, context: ChangeContext): RegisteredMeter {
  const checked = checkedFacts(rows, meterId, before, facts, context);
  // Said again it is no change: an import that is repeated leaves versions and times as they are.
  if (before !== null && isDeepStrictEqual(checked, factsOf(before))) return before;
  const after: RegisteredMeter = { meterId, ...checked, version: (before?.version ?? rows.removedVersion()) + 1, updatedAt: context.nowMs, updatedBy: context.by };
  rows.replace(before, after);
  return after;
}

function checkedFacts(rows: MeterRows, meterId: MeterId, before: RegisteredMeter | null, { region, ...facts }: ReturnType<typeof changedFacts>, context: ChangeContext): MeterFacts {
  if (region === undefined) throw new OperationalError('region_missing', 'a new meter needs a region');
  if (region !== before?.region) requireRegion(rows, region, context);
  const fault = daysFault(facts);
  if (fault !== null) throw new OperationalError('bad_days', fault);
  const holder = facts.serial === null ? null : rows.ofSerial(facts.serial);
  if (holder !== null && holder !== meterId) throw new OperationalError('serial_taken', `meter ${JSON.stringify(holder)} has the serial number ${JSON.stringify(facts.serial)}`);
  return { ...facts, region };
}

function requireRegion(rows: MeterRows, region: RegionId, { regions, takesNewRegions }: ChangeContext): void {
  if (takesNewRegions || regions.has(region) || rows.hasRegion(region)) return;
  throw new OperationalError('unknown_region', `there is no region ${JSON.stringify(region)}: none of its meters is known, and it has no configured capacity`);
}

function requireMeter(rows: MeterRows, meterId: MeterId): RegisteredMeter {
  const meter = rows.get(meterId);
  if (meter === null) throw new OperationalError('unknown_registered_meter', `there is no meter ${JSON.stringify(meterId)} in the registry`);
  return meter;
}

function requireVersion(before: RegisteredMeter | null, version: number | null): void {
  if (version === null || version === (before?.version ?? 0)) return;
  throw new OperationalError('stale_version', before === null ? 'the meter is not in the registry' : `the meter is at version ${before.version} by now`);
}

/** Without what the registry adds; null of none. */
function factsOf(meter: RegisteredMeter | null): MeterFacts | null {
  if (meter === null) return null;
  const { meterId: _meterId, version: _version, updatedAt: _updatedAt, updatedBy: _updatedBy, ...facts } = meter;
  return facts;
}

