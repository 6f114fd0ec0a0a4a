import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { get, type WireReading } from './engine-api.ts';
import type { EngineProcess } from './engine-process.ts';
import type { FreshDatabase } from './fresh-database.ts';

/** Alerts of a real engine as its API shows them, and as a database has them. */

export interface WireAlert {
  id: string;
  version: number;
  state: string;
  [field: string]: unknown;
}

const MINUTE_MS = 60_000;

/** Rules that make an alert of a region as soon as it is over its capacity. */
export function writeOverloadRules(directory: string): string {
  const path = join(directory, 'rules.json');
  writeFileSync(path, JSON.stringify({ rules: [{ name: 'regional-overload', condition: 'regional_load' }], routes: [{ name: 'all' }] }));
  return path;
}

/** Six minutes of four meters that draw this much together, the newest just over. */
export function overloadOf(region: string, kw: number): WireReading[] {
  const now = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const starts = Array.from({ length: 6 }, (_, i) => now - (6 - i) * MINUTE_MS + 1_000);
  return starts.flatMap((timestamp) => [0, 1, 2, 3].map((meter) => ({ meterId: `${region}-${meter}`, region, timestamp, powerKw: kw / 4 })));
}

/** In order of id. */
export async function shownAlerts(engine: EngineProcess): Promise<WireAlert[]> {
  const { body } = await get<{ data: WireAlert[] }>(engine, '/api/v1/alerts?limit=100');
  return [...(body.data ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** `command`: `acknowledge` or `resolve`. Gives the status. */
export async function commandAlert(engine: EngineProcess, id: string, command: string, body: object): Promise<number> {
  const { status } = await fetch(engine.apiUrl(`/api/v1/alerts/${id}/${command}`), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return status;
}

interface StoredAlert extends Record<string, unknown> {
  id: string;
  version: number;
  state: string;
  acknowledged_at: Date | null;
  resolved_at: Date | null;
  suppressed_by: string | null;
  started_at: Date;
  opened_at: Date;
  changed_at: Date;
}

/** The table's rows as the API would show them, but for what no column has; in order of id. */
export async function storedAlerts(database: FreshDatabase): Promise<WireAlert[]> {
  const rows = await database.rows<StoredAlert>('SELECT * FROM alerts ORDER BY id COLLATE "C"');
  const deed = (at: Date | null, by: unknown, why: unknown): object | null => (at === null ? null : { at: at.toISOString(), by, why });
  return rows.map((row) => ({
    id: row.id,
    version: row.version,
    type: row.type,
    kind: row.kind,
    severity: row.severity,
    state: row.state,
    rule: row.rule,
    title: row.title,
    description: row.description,
    region: row.region,
    meterId: row.meter_id,
    component: row.component,
    value: row.value,
    threshold: row.threshold,
    unit: row.unit,
    startedAt: row.started_at.toISOString(),
    openedAt: row.opened_at.toISOString(),
    changedAt: row.changed_at.toISOString(),
    acknowledged: deed(row.acknowledged_at, row.acknowledged_by, row.acknowledged_why),
    resolved: deed(row.resolved_at, row.resolved_by, row.resolved_why),
    affectedMeters: row.affected_meters,
    occurrences: row.occurrences,
    isFlapping: row.is_flapping,
    suppression: row.suppressed_by === null ? null : { by: row.suppressed_by, id: row.suppressed_id },
  }));
}

/** What of an alert has a column. */
export function withColumns({ fingerprint: _fingerprint, group: _group, ...alert }: WireAlert): WireAlert {
  return alert;
}
