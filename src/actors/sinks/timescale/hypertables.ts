import type { Granularity } from '../../../model/window.ts';
import type { Log } from '../../../runtime/log.ts';
import type { DatabaseAddress } from './database-address.ts';
import { codeOf, databaseError } from './database-errors.ts';
import { DatabaseSession, literal, type SessionTimeouts } from './database-session.ts';
import { METER_TABLES, REGION_TABLES } from './sink-tables.ts';

/**
 * What TimescaleDB adds where it is there: tables in chunks of time, old chunks compressed, the oldest ones dropped. Looked at on every start,
 * so that a plain database that gets the extension later, or a changed setting, is brought up to date.
 */

export interface RetentionOptions {
  /** How long windows are kept, in milliseconds; null: for good. Of regions as of meters. */
  keepMs: Readonly<Record<Granularity, number | null>>;
  /** Age at which chunks are compressed, in milliseconds; null: never. */
  compressAfterMs: number | null;
}

const DAY_MS = 86_400_000;

export const RETENTION_DEFAULTS: RetentionOptions = {
  keepMs: { '1m': 30 * DAY_MS, '15m': 365 * DAY_MS },
  // Late readings mostly come within a few days; a correction of what is compressed costs more.
  compressAfterMs: 7 * DAY_MS,
};

/** Time that one chunk spans: a million meters make 1.4 billion minutes a day, and what is dropped goes by whole chunks. */
const CHUNK_MS: Readonly<Record<Granularity, number>> = { '1m': DAY_MS, '15m': 7 * DAY_MS };

/** What the extension is like on this database; null: it is not there. */
export interface Extension {
  version: string;
  /** Schema of its functions, as an identifier. */
  schema: string;
  /** Compression and background jobs are there: not so in builds under the Apache licence alone. */
  hasPolicies: boolean;
}

interface Hypertable {
  name: string;
  segmentBy: string;
  granularity: Granularity;
}

const HYPERTABLES: readonly Hypertable[] = (['1m', '15m'] as const).flatMap((granularity) => [
  { name: METER_TABLES[granularity], segmentBy: 'meter_id', granularity },
  { name: REGION_TABLES[granularity], segmentBy: 'region', granularity },
]);

/**
 * The extension, created when it is installed and the user may. Why it could not be is logged once by the caller's `warn`.
 *
 * @param warn takes a sentence
 */
export async function findExtension(session: DatabaseSession, timeouts: SessionTimeouts, warn: (message: string) => void): Promise<Extension | null> {
  const existing = await extensionOf(session);
  if (existing !== null) return usable(existing, warn);
  const { rows } = await session.query("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'");
  if (rows.length === 0) return null;
  const refusal = await createExtension(session.address, timeouts);
  if (refusal !== null) {
    warn(`TimescaleDB is installed but cannot be used (${refusal}); the tables stay plain, without compression and retention`);
    return null;
  }
  const created = await extensionOf(session);
  return created === null ? null : usable(created, warn);
}

/** In a session of its own, because a server that has not preloaded the library ends the session. Gives why it did not work, or null. */
async function createExtension(address: DatabaseAddress, timeouts: SessionTimeouts): Promise<string | null> {
  const session = await DatabaseSession.open(address, 'seg sink: extension', timeouts);
  try {
    await session.run('CREATE EXTENSION IF NOT EXISTS timescaledb');
    return null;
  } catch (error) {
    const failure = databaseError(error, address);
    if (failure.retryable && !session.isBroken) throw failure;
    return (error as Error).message;
  } finally {
    await session.close();
  }
}

async function extensionOf(session: DatabaseSession): Promise<Extension | null> {
  const { rows } = await session.query<{ version: string; schema: string; license: string | null }>(
    "SELECT extversion AS version, quote_ident(nspname) AS schema, current_setting('timescaledb.license', true) AS license FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'timescaledb'",
  );
  return rows.length === 0 ? null : { version: rows[0].version, schema: rows[0].schema, hasPolicies: rows[0].license !== 'apache' };
}

function usable(extension: Extension, warn: (message: string) => void): Extension | null {
  if (Number.parseInt(extension.version) < 2) {
    warn(`TimescaleDB ${extension.version} is older than 2.0; the tables stay plain, without compression and retention`);
    return null;
  }
  if (!extension.hasPolicies) warn('this TimescaleDB has no compression and no retention jobs (timescaledb.license is apache); old windows are kept');
  return extension;
}

/** Makes the tables hypertables, with what they hold, and sets compression and retention as the options say. Each table in one transaction. */
export async function ensureHypertables(session: DatabaseSession, extension: Extension, options: RetentionOptions, log: Log): Promise<void> {
  for (const table of HYPERTABLES) {
    try {
      await session.run('BEGIN');
      const changes = [...(await makeHypertable(session, extension, table)), ...(extension.hasPolicies ? await setPolicies(session, extension, table, options) : [])];
      await session.run('COMMIT');
      if (changes.length > 0) log.info({ table: table.name, changes }, 'a table in TimescaleDB was changed');
    } catch (error) {
      if (session.isBroken) throw error;
      await session.run('ROLLBACK');
      // A user that may write but does not own the tables: whoever does has set them up.
      if (codeOf(error) !== '42501') throw error;
      log.warn({ table: table.name, reason: (error as Error).message }, 'the user of the URL may not change this table; chunks, compression and retention stay as they are');
    }
  }
}

async function makeHypertable(session: DatabaseSession, { schema }: Extension, { name, granularity }: Hypertable): Promise<string[]> {
  const { rows } = await session.query('SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_schema = current_schema() AND hypertable_name = $1', [name]);
  if (rows.length > 0) return [];
  await session.runRewrite(
    `SELECT ${schema}.create_hypertable(${literal(name)}, 'window_start', chunk_time_interval => ${interval(CHUNK_MS[granularity])}, create_default_indexes => false, if_not_exists => true, migrate_data => true)`,
  );
  return ['made a hypertable'];
}

async function setPolicies(session: DatabaseSession, { schema }: Extension, { name, segmentBy, granularity }: Hypertable, options: RetentionOptions): Promise<string[]> {
  const changes: string[] = [];
  if (options.compressAfterMs !== null) {
    const { rows } = await session.query('SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_schema = current_schema() AND hypertable_name = $1 AND compression_enabled', [name]);
    if (rows.length === 0) {
      await session.run(`ALTER TABLE ${name} SET (timescaledb.compress, timescaledb.compress_segmentby = '${segmentBy}', timescaledb.compress_orderby = 'window_start DESC')`);
      changes.push('compression set up');
    }
  }
  changes.push(...(await setPolicy(session, schema, name, COMPRESSION, options.compressAfterMs)));
  changes.push(...(await setPolicy(session, schema, name, RETENTION, options.keepMs[granularity])));
  return changes;
}

interface Policy {
  /** As the jobs list has it. */
  procedure: string;
  setting: string;
  add: string;
  remove: string;
}

const COMPRESSION: Policy = { procedure: 'policy_compression', setting: 'compress_after', add: 'add_compression_policy', remove: 'remove_compression_policy' };
const RETENTION: Policy = { procedure: 'policy_retention', setting: 'drop_after', add: 'add_retention_policy', remove: 'remove_retention_policy' };

async function setPolicy(session: DatabaseSession, schema: string, table: string, policy: Policy, afterMs: number | null): Promise<string[]> {
  const { rows } = await session.query<{ same: boolean }>(
    `SELECT (config ->> '${policy.setting}')::interval = ${interval(afterMs ?? 0)} AS same FROM timescaledb_information.jobs
      WHERE hypertable_schema = current_schema() AND hypertable_name = $1 AND proc_name = '${policy.procedure}'`,
    [table],
  );
  if (afterMs === null ? rows.length === 0 : rows.length > 0 && rows[0].same) return [];
  if (rows.length > 0) await session.run(`SELECT ${schema}.${policy.remove}(${literal(table)}, if_exists => true)`);
  if (afterMs === null) return [`${policy.procedure} taken away`];
  await session.run(`SELECT ${schema}.${policy.add}(${literal(table)}, ${interval(afterMs)})`);
  return [`${policy.procedure} after ${afterMs / DAY_MS} days`];
}

function interval(ms: number): string {
  return `make_interval(secs => ${ms / 1_000})`;
}
