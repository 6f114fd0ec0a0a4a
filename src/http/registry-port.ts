import type { ImportOptions, ImportRow, MeterPatch, MeterPut, RegistryQuery, RowOutcome } from '../actors/registry/protocol.ts';
import type { MeterId } from '../model/ids.ts';
import type { Page } from '../model/queries.ts';
import type { RegisteredMeter } from '../model/registered-meter.ts';
import { OperationalError } from '../runtime/errors.ts';

/** What the gateway asks of the registry of meters. Every promise settles; rejections are OperationalErrors with codes as actors/registry/ says (supervisor-refusals.ts has their statuses), or a retryable one. */
export interface RegistryPort {
  /** null: it has none of this id. */
  meter(meterId: MeterId): Promise<RegisteredMeter | null>;
  page(query: RegistryQuery): Promise<Page<RegisteredMeter>>;
  put(put: MeterPut): Promise<RegisteredMeter>;
  change(patch: MeterPatch): Promise<RegisteredMeter>;
  remove(meterId: MeterId, version: number | null): Promise<void>;
  /** `rows` are read as they are needed. */
  importRows(rows: Iterable<ImportRow>, options: ImportOptions): Promise<RowOutcome[]>;
}

function refuse(): Promise<never> {
  return Promise.reject(new OperationalError('registry_off', 'this engine has no registry of meters'));
}

/** Of an engine without one: nothing is known of any meter. */
export const REGISTRY_OFF: RegistryPort = { meter: () => Promise.resolve(null), page: () => Promise.resolve({ data: [], nextCursor: null }), put: refuse, change: refuse, remove: refuse, importRows: refuse };
