import type { EngineProcess } from './engine-process.ts';

/** What tests say to a running engine and hear from it, over HTTP alone. */

/** An engine of whatever kind. */
export type EngineUrls = Pick<EngineProcess, 'ingestUrl' | 'apiUrl' | 'opsUrl'>;

export interface WireReading {
  meterId: string;
  region: string;
  timestamp: number | string;
  powerKw: number;
  readingId?: string;
  energyKwh?: number;
  voltage?: number;
  status?: 'OK' | 'ERROR';
}

export interface IngestReply {
  accepted: number;
  duplicates: number;
  rejected: number;
  errors: { index: number; code: string; message: string }[];
}

export interface Answer<Body = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: Body;
}

/** A window as the API shows it; times are ISO 8601. */
export interface WireWindow {
  meterId: string;
  region: string;
  granularity: string;
  windowStart: string;
  windowEnd: string;
  avgPowerKw: number;
  minPowerKw: number;
  maxPowerKw: number;
  energyKwhSum: number;
  energySource: string;
  voltageAvg: number | null;
  voltageMin: number | null;
  voltageMax: number | null;
  count: number;
  revision: number;
  final: boolean;
}

export interface WireRegionWindow {
  region: string;
  windowStart: string;
  metersReporting: number;
  sumPowerKw: number;
  avgPowerKw: number;
  minPowerKw: number;
  maxPowerKw: number;
  energyKwhSum: number;
  final: boolean;
}

/** The API's most rows a page. */
const WINDOWS_PER_PAGE = 10_000;

/** Posts a body as it is. */
export async function postBody<Body = Record<string, unknown>>(engine: EngineUrls, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = { 'content-type': 'application/json' }): Promise<Answer<Body>> {
  const response = await fetch(`${engine.ingestUrl()}/ingest`, { method: 'POST', body, headers });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

/** Posts readings as a JSON array and expects a 202. With accounts a device key goes along in `headers`. */
export async function post(engine: EngineUrls, readings: readonly object[], headers: Record<string, string> = {}): Promise<IngestReply> {
  const { status, body } = await postBody<IngestReply>(engine, JSON.stringify(readings), { 'content-type': 'application/json', ...headers });
  if (status !== 202) throw new Error(`the engine answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export async function get<Body = Record<string, unknown>>(engine: EngineUrls, path: string): Promise<Answer<Body>> {
  const response = await fetch(engine.apiUrl(path));
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

/** All rows of a paged list. */
export async function allRows<Row>(engine: EngineUrls, path: string, query: Record<string, string | number> = {}): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null = null;
  do {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
    if (cursor !== null) parameters.set('cursor', cursor);
    const { status, body } = await get<{ data: Row[]; nextCursor: string | null }>(engine, `${path}?${parameters.toString()}`);
    if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
    for (const row of body.data) rows.push(row);
    if (cursor !== null && cursor === body.nextCursor) throw new Error(`${path} gave the cursor ${cursor} twice`);
    cursor = body.nextCursor;
  } while (cursor !== null);
  return rows;
}

export function meterWindows(engine: EngineUrls, meterId: string, granularity: '1m' | '15m', range: { from: number; to: number }): Promise<WireWindow[]> {
  return allRows(engine, `/api/v1/meters/${meterId}/aggregates`, { granularity, ...range, limit: WINDOWS_PER_PAGE });
}

export function regionWindows(engine: EngineUrls, region: string, granularity: '1m' | '15m', range: { from: number; to: number }): Promise<WireRegionWindow[]> {
  return allRows(engine, `/api/v1/regions/${region}/aggregates`, { granularity, ...range, limit: WINDOWS_PER_PAGE });
}

/** Values of a Prometheus scrape by series, as `seg_readings_total{outcome="accepted"}`. */
export async function scrape(engine: EngineUrls): Promise<Map<string, number>> {
  const text = await (await fetch(engine.opsUrl('/metrics'))).text();
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const space = line.lastIndexOf(' ');
    values.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return values;
}
