import { createHash } from 'node:crypto';
import { OperationalError } from '../../../runtime/errors.ts';
import type { DatabaseSession } from './database-session.ts';

/**
 * The tables, step by step. A step that was released is never edited: a new one follows it. What depends on the extension or on settings is
 * not here (hypertables.ts), because it may change on the same database.
 */

export interface Migration {
  /** 1, 2, … without a gap. */
  number: number;
  name: string;
  sql: string;
}

/** Ids are compared byte by byte: faster than by the rules of a language, and the order that the engine has. */
const ID = 'text COLLATE "C" NOT NULL';

const METER_WINDOW = `
  meter_id ${ID},
  region text NOT NULL,
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  avg_power_kw double precision NOT NULL,
  min_power_kw double precision NOT NULL,
  max_power_kw double precision NOT NULL,
  energy_kwh_sum double precision NOT NULL,
  energy_source text NOT NULL,
  voltage_avg double precision,
  voltage_min double precision,
  voltage_max double precision,
  count integer NOT NULL,
  revision integer NOT NULL,
  final boolean NOT NULL,
  PRIMARY KEY (meter_id, window_start)`;

const REGION_WINDOW = `
  region ${ID},
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  meters_reporting integer NOT NULL,
  sum_power_kw double precision NOT NULL,
  avg_power_kw double precision NOT NULL,
  min_power_kw double precision NOT NULL,
  max_power_kw double precision NOT NULL,
  energy_kwh_sum double precision NOT NULL,
  capacity_kw double precision,
  load_percent double precision,
  final boolean NOT NULL,
  PRIMARY KEY (region, window_start)`;

export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    name: 'windows, alerts, dead letters and the cursors of the shards',
    // The BRIN index finds a time range over all meters without costing the writer anything to speak of.
    sql: `
CREATE TABLE aggregates_1m (${METER_WINDOW}
);
CREATE INDEX aggregates_1m_window_start ON aggregates_1m USING brin (window_start);
CREATE TABLE aggregates_15m (${METER_WINDOW}
);
CREATE INDEX aggregates_15m_window_start ON aggregates_15m USING brin (window_start);
CREATE TABLE regional_aggregates_1m (${REGION_WINDOW}
);
CREATE TABLE regional_aggregates_15m (${REGION_WINDOW}
);
CREATE TABLE alerts (
  id ${ID} PRIMARY KEY,
  type text NOT NULL,
  kind text NOT NULL,
  severity text NOT NULL,
  region text NOT NULL,
  meter_id text COLLATE "C",
  started_at timestamptz NOT NULL,
  ended_at timestamptz,
  end_reason text,
  value double precision NOT NULL,
  expected double precision NOT NULL,
  score double precision NOT NULL,
  message text NOT NULL
);
CREATE INDEX alerts_started_at ON alerts (started_at);
CREATE TABLE dead_letter (
  id ${ID} PRIMARY KEY,
  received_at timestamptz NOT NULL,
  code text NOT NULL,
  message text NOT NULL,
  index integer NOT NULL,
  meter_id text COLLATE "C",
  raw text NOT NULL
);
CREATE INDEX dead_letter_received_at ON dead_letter (received_at);
CREATE TABLE sink_cursors (
  engine_id ${ID},
  shard integer NOT NULL,
  position text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (engine_id, shard)
);
CREATE TABLE sink_set_aside (
  engine_id text NOT NULL,
  shard integer NOT NULL,
  what text NOT NULL,
  reason text NOT NULL,
  payload text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sink_set_aside IS 'Rows that their table refused, with the reason; payload is JSON.';`,
  },
  {
    number: 2,
    name: 'regional windows without final',
    // It became true by the passing of time alone, which writes no row: a prompt sink left it false for ever.
    sql: `
ALTER TABLE regional_aggregates_1m DROP COLUMN final;
ALTER TABLE regional_aggregates_15m DROP COLUMN final;
COMMENT ON TABLE regional_aggregates_1m IS 'Sums over meters, as of the newest of their windows that closed or was corrected: a row changes while late windows come.';
COMMENT ON TABLE regional_aggregates_15m IS 'As regional_aggregates_1m.';`,
  },
  {
    number: 3,
    name: 'regional windows that several engines write',
    sql: `
ALTER TABLE regional_aggregates_1m ADD COLUMN revision bigint;
ALTER TABLE regional_aggregates_15m ADD COLUMN revision bigint;
COMMENT ON COLUMN regional_aggregates_1m.revision IS 'The higher is the newer, where several engines share a log; else null.';`,
  },
  {
    number: 4,
    name: 'alerts, and anomalies under their own name',
    sql: `
ALTER TABLE alerts RENAME TO anomalies;
ALTER INDEX alerts_pkey RENAME TO anomalies_pkey;
ALTER INDEX alerts_started_at RENAME TO anomalies_started_at;
CREATE TABLE alerts (
  id ${ID} PRIMARY KEY,
  version integer NOT NULL,
  type text NOT NULL,
  kind text NOT NULL,
  severity text NOT NULL,
  state text NOT NULL,
  rule text NOT NULL,
  region text,
  meter_id text COLLATE "C",
  component text,
  title text NOT NULL,
  description text NOT NULL,
  value double precision,
  threshold double precision,
  unit text,
  started_at timestamptz NOT NULL,
  opened_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  acknowledged_at timestamptz,
  acknowledged_by text,
  acknowledged_why text,
  resolved_at timestamptz,
  resolved_by text,
  resolved_why text,
  affected_meters integer NOT NULL,
  occurrences integer NOT NULL,
  is_flapping boolean NOT NULL,
  suppressed_by text,
  suppressed_id text
);
CREATE INDEX alerts_opened_at ON alerts (opened_at);
COMMENT ON TABLE anomalies IS 'Episodes that the meters'' own history finds odd.';
COMMENT ON TABLE alerts IS 'What people are told of; the higher version of an id is the newer.';
COMMENT ON COLUMN sink_cursors.shard IS '-1: of the alerts.';`,
  },
  {
    number: 5,
    name: 'invoices with their lines, and payments',
    sql: `
CREATE TABLE invoices (
  id ${ID} PRIMARY KEY,
  version integer NOT NULL,
  number text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  state text NOT NULL,
  agreement_id ${ID},
  meter_id ${ID},
  region text,
  customer_name text NOT NULL,
  currency text NOT NULL,
  zone text NOT NULL,
  period_from date NOT NULL,
  period_to date NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  total numeric NOT NULL,
  paid numeric NOT NULL,
  outstanding numeric NOT NULL,
  import_kwh numeric NOT NULL,
  export_kwh numeric NOT NULL,
  intervals_measured integer NOT NULL,
  intervals_estimated integer NOT NULL,
  intervals_missing integer NOT NULL,
  issued_at timestamptz NOT NULL,
  due_date date,
  corrects text COLLATE "C",
  run text
);
CREATE INDEX invoices_number ON invoices (number);
CREATE INDEX invoices_meter ON invoices (meter_id, period_from);
CREATE INDEX invoices_issued_at ON invoices (issued_at);
CREATE TABLE invoice_lines (
  invoice_id ${ID},
  number integer NOT NULL,
  kind text NOT NULL,
  charge text NOT NULL,
  text text NOT NULL,
  tariff_id text NOT NULL,
  tariff_version integer NOT NULL,
  period_from date NOT NULL,
  period_to date NOT NULL,
  period text,
  tier integer,
  quantity numeric NOT NULL,
  unit text NOT NULL,
  unit_price numeric NOT NULL,
  amount numeric NOT NULL,
  PRIMARY KEY (invoice_id, number)
);
CREATE TABLE payments (
  id ${ID} PRIMARY KEY,
  invoice_id ${ID},
  amount numeric NOT NULL,
  currency text NOT NULL,
  received_at timestamptz NOT NULL,
  method text NOT NULL,
  reference text NOT NULL
);
CREATE INDEX payments_invoice ON payments (invoice_id);
COMMENT ON TABLE invoices IS 'Invoices and credit notes that were issued; the higher version of an id is the newer. The last day of a period is not in it.';
COMMENT ON COLUMN invoices.corrects IS 'Of a credit note the invoice that it takes back, of an invoice after a correction the one in whose place it is.';
COMMENT ON TABLE invoice_lines IS 'They never change.';
COMMENT ON COLUMN sink_cursors.shard IS '-1: of the alerts, -2: of tariffs and bills.';`,
  },
];

/** Any number will do that no other program takes for this: the letters "seg sink". */
const LOCK = BigInt(`0x${Buffer.from('seg sink').toString('hex')}`).toString();

/**
 * Brings the database to the newest step, one engine at a time, each step in a transaction of its own. Gives the numbers of the steps that
 * were applied now. Rejects with OperationalError `newer_schema` or `schema_changed` before anything is changed.
 */
export async function migrate(session: DatabaseSession, migrations: readonly Migration[] = MIGRATIONS): Promise<number[]> {
  await session.query('SELECT pg_advisory_lock($1)', [LOCK]);
  try {
    const done = await applied(session);
    const newest = Math.max(0, ...done.keys());
    if (newest > migrations.length) {
      throw new OperationalError(
        'newer_schema',
        `the database ${session.address.label} was prepared by a newer engine (step ${newest}; this one knows ${migrations.length}): upgrade this engine, or give it a database of its own`,
      );
    }
    for (const { number, name, sql } of migrations) {
      const checksum = done.get(number);
      if (checksum !== undefined && checksum !== checksumOf(sql)) {
        throw new OperationalError('schema_changed', `step ${number} (${name}) of the database ${session.address.label} is not that of this engine: both were changed apart; give this engine a database of its own`);
      }
    }
    const missing = migrations.filter(({ number }) => !done.has(number));
    for (const migration of missing) await apply(session, migration);
    return missing.map(({ number }) => number);
  } finally {
    // The lock ends with the session in any case.
    if (!session.isBroken) await session.query('SELECT pg_advisory_unlock($1)', [LOCK]);
  }
}

/** Checksum of each step that was applied, by number. */
async function applied(session: DatabaseSession): Promise<Map<number, string>> {
  const { rows: found } = await session.query("SELECT 1 FROM pg_class WHERE oid = to_regclass('sink_migrations')");
  if (found.length === 0) {
    await session.run('CREATE TABLE sink_migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())');
  }
  const { rows } = await session.query<{ number: number; checksum: string }>('SELECT number, checksum FROM sink_migrations');
  return new Map(rows.map(({ number, checksum }) => [number, checksum]));
}

async function apply(session: DatabaseSession, { number, name, sql }: Migration): Promise<void> {
  await session.run('BEGIN');
  try {
    await session.runRewrite(sql);
    await session.query('INSERT INTO sink_migrations (number, name, checksum) VALUES ($1, $2, $3)', [number, name, checksumOf(sql)]);
    await session.run('COMMIT');
  } catch (error) {
    if (!session.isBroken) await session.run('ROLLBACK');
    throw error;
  }
}

function checksumOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}
