import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../fixtures/ingest/raw-http.ts';
import { allRows, get, meterWindows, post, regionWindows, scrape, type WireReading } from '../support/engine-api.ts';
import { EngineProcess, eventually, freePort } from '../support/engine-process.ts';

/** What a user of one engine sees, over HTTP and in its log. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A quarter of an hour that is over by a day. */
const BASE_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 24 * HOUR_MS;
const RANGE = { from: BASE_MS, to: Date.now() + HOUR_MS };
const RECEIPT = { accepted: 1, duplicates: 0, rejected: 0, errors: [] };

function reading(meterId: string, timestamp: number, powerKw: number, more: Partial<WireReading> = {}): WireReading {
  return { meterId, region: 'region-01', timestamp, powerKw, ...more };
}

describe('windows', () => {
  /** Nothing closes by the clock while a test of a patient engine runs; an impatient one closes what is a second old. */
  let patient: EngineProcess;
  let impatient: EngineProcess;
  beforeAll(async () => {
    [patient, impatient] = await Promise.all([EngineProcess.start({ settings: { SHARDS: '1', LATENESS: '60s' } }), EngineProcess.start({ settings: { SHARDS: '1', LATENESS: '1s' } })]);
  });
  afterAll(() => Promise.all([patient.dispose(), impatient.dispose()]));

  it('are open until the meter itself has passed their end by the allowed lateness', async () => {
    const minutes = () => meterWindows(patient, 'm', '1m', RANGE);
    await post(patient, [reading('m', BASE_MS, 1), reading('m', BASE_MS + 59_999, 3)]);
    expect(await minutes()).toMatchObject([{ windowStart: new Date(BASE_MS).toISOString(), windowEnd: new Date(BASE_MS + MINUTE_MS).toISOString(), avgPowerKw: 2, count: 2, revision: 0, final: false }]);
    await post(patient, [reading('m', BASE_MS + 2 * MINUTE_MS - 1, 5)]);
    expect((await minutes()).map(({ final }) => final)).toEqual([false, false]);
    await post(patient, [reading('m', BASE_MS + 30_000, 5)]);
    expect((await minutes())[0]).toMatchObject({ avgPowerKw: 3, count: 3, revision: 0, final: false });
    await post(patient, [reading('m', BASE_MS + 2 * MINUTE_MS, 5)]);
    expect((await minutes()).map(({ final, revision }) => [final, revision])).toEqual([[true, 0], [false, 0], [false, 0]]);
    expect(await meterWindows(patient, 'm', '15m', RANGE)).toMatchObject([{ count: 5, final: false, windowEnd: new Date(BASE_MS + 15 * MINUTE_MS).toISOString() }]);
  });

  it('are not closed by other meters', async () => {
    await post(patient, [reading('slow', BASE_MS, 1), reading('fast', BASE_MS, 1), reading('fast', BASE_MS + HOUR_MS, 1)]);
    expect((await meterWindows(patient, 'slow', '1m', RANGE))[0].final).toBe(false);
    expect((await meterWindows(patient, 'fast', '1m', RANGE))[0].final).toBe(true);
  });

  it('of a silent meter are closed by the clock, and corrected by a late reading', async () => {
    await post(impatient, [reading('silent', BASE_MS, 1, { voltage: 230 })]);
    for (const granularity of ['1m', '15m'] as const) {
      const [closed] = await eventually(() => meterWindows(impatient, 'silent', granularity, RANGE), ([window]) => window.final);
      expect(closed).toMatchObject({ avgPowerKw: 1, count: 1, revision: 0, voltageAvg: 230 });
    }
    expect(await post(impatient, [reading('silent', BASE_MS + 10_000, 4, { voltage: 240 })])).toEqual(RECEIPT);
    for (const granularity of ['1m', '15m'] as const) {
      expect(await meterWindows(impatient, 'silent', granularity, RANGE)).toMatchObject([{ avgPowerKw: 2.5, minPowerKw: 1, maxPowerKw: 4, voltageAvg: 235, voltageMax: 240, count: 2, revision: 1, final: true }]);
      expect(await regionWindows(impatient, 'region-01', granularity, RANGE)).toMatchObject([{ metersReporting: 1, sumPowerKw: 2.5, maxPowerKw: 4 }]);
    }
  });

  it('count a reading once, refuse another of the same time, and leave ERROR readings out', async () => {
    const first = reading('twice', BASE_MS, 1);
    expect(await post(impatient, [first])).toEqual(RECEIPT);
    expect(await post(impatient, [first, first])).toEqual({ accepted: 0, duplicates: 2, rejected: 0, errors: [] });
    expect(await post(impatient, [{ ...first, powerKw: 2 }])).toMatchObject({ accepted: 0, duplicates: 0, rejected: 1, errors: [{ index: 0, code: 'conflict' }] });
    await eventually(() => meterWindows(impatient, 'twice', '1m', RANGE), ([window]) => window.final);
    expect(await post(impatient, [first])).toEqual({ accepted: 0, duplicates: 1, rejected: 0, errors: [] });
    expect(await post(impatient, [{ ...first, powerKw: 2 }])).toMatchObject({ rejected: 1, errors: [{ code: 'conflict' }] });
    expect(await post(impatient, [reading('twice', BASE_MS + 1, 50, { status: 'ERROR' })])).toEqual(RECEIPT);
    expect(await meterWindows(impatient, 'twice', '1m', RANGE)).toMatchObject([{ avgPowerKw: 1, count: 1 }]);
  });

  it('count a readingId once, whatever its timestamp', async () => {
    expect(await post(impatient, [reading('ids', BASE_MS, 1, { readingId: 'r-1' })])).toEqual(RECEIPT);
    expect(await post(impatient, [reading('ids', BASE_MS + 1_000, 1, { readingId: 'r-1' })])).toEqual({ accepted: 0, duplicates: 1, rejected: 0, errors: [] });
    expect(await post(impatient, [reading('ids', BASE_MS + 1_000, 1, { readingId: 'r-2' })])).toEqual(RECEIPT);
  });

  it('older than the correction horizon are not reopened', async () => {
    await post(impatient, [reading('old', BASE_MS, 1)]);
    const tooOld = BASE_MS - 41 * 24 * HOUR_MS;
    expect(await post(impatient, [reading('old', tooOld, 1)])).toMatchObject({ rejected: 1, errors: [{ code: 'too_late' }] });
    expect(await post(impatient, [reading('old', BASE_MS - 39 * 24 * HOUR_MS, 1)])).toEqual(RECEIPT);
  });

  it('that are known are duplicates for good, and others under their key conflicts', async () => {
    const longAgoMs = BASE_MS - 100 * 24 * HOUR_MS;
    await post(impatient, [reading('import', longAgoMs, 1)]);
    await post(impatient, [reading('import', BASE_MS, 1)]);
    expect(await post(impatient, [reading('import', longAgoMs, 1)])).toEqual({ accepted: 0, duplicates: 1, rejected: 0, errors: [] });
    expect(await post(impatient, [reading('import', longAgoMs, 2)])).toMatchObject({ rejected: 1, errors: [{ code: 'conflict' }] });
    expect(await post(impatient, [reading('import', longAgoMs + 1, 1)])).toMatchObject({ rejected: 1, errors: [{ code: 'too_late' }] });
  });
});

describe('an engine of three shards', () => {
  let engine: EngineProcess;
  let statusesBeforeReady: number[];
  beforeAll(async () => {
    const opsPort = await freePort();
    engine = EngineProcess.spawn({ settings: { SHARDS: '3', LATENESS: '1s', OPS_PORT: String(opsPort), REGION_CAPACITIES: '{"region-01":10,"region-02":20}' } });
    const ready = engine.ready();
    statusesBeforeReady = await statusesUntilReady(opsPort);
    await ready;
  });
  afterAll(() => engine.dispose());

  it('answers 503 on /ready and 200 on /health until it is ready', async () => {
    expect(statusesBeforeReady).toContain(503);
    expect(statusesBeforeReady.at(-1)).toBe(200);
    expect((await fetch(engine.opsUrl('/health'))).status).toBe(200);
  });

  it('lists every meter once, in order of its id, over all shards', async () => {
    const ids = Array.from({ length: 211 }, (_, i) => `page-${String((i * 97) % 211).padStart(3, '0')}`);
    await post(engine, ids.map((meterId, i) => reading(meterId, BASE_MS, 1, { region: i % 5 === 0 ? 'north' : 'south' })));
    // A new meter is listed a moment after its first reading was acknowledged.
    const listed = (): Promise<{ meterId: string }[]> => allRows(engine, '/api/v1/meters', { limit: 7 });
    const all = await eventually(listed, (rows) => rows.length >= ids.length);
    expect(all.map(({ meterId }) => meterId)).toEqual([...ids].sort());
    const north = await allRows<{ meterId: string; region: string }>(engine, '/api/v1/meters', { limit: 3, region: 'north' });
    expect(north.map(({ meterId }) => meterId)).toEqual(ids.filter((_, i) => i % 5 === 0).sort());
    const metrics = await scrape(engine);
    for (const shard of [0, 1, 2]) expect(metrics.get(`seg_meters{shard="${shard}"}`)).toBeGreaterThan(30);
  });

  it('pages windows without a gap or a repeat', async () => {
    await post(engine, Array.from({ length: 500 }, (_, i) => reading('long', BASE_MS + i * MINUTE_MS, i)));
    const windows = await allRows<{ windowStart: string }>(engine, '/api/v1/meters/long/aggregates', { granularity: '1m', from: BASE_MS, to: RANGE.to, limit: 33 });
    expect(windows.map(({ windowStart }) => Date.parse(windowStart))).toEqual(Array.from({ length: 500 }, (_, i) => BASE_MS + i * MINUTE_MS));
    const ofRegion = (): Promise<{ windowStart: string }[]> => allRows(engine, '/api/v1/regions/region-01/aggregates', { granularity: '1m', from: BASE_MS, to: RANGE.to, limit: 33 });
    const regional = await eventually(ofRegion, (all) => all.length === 500);
    expect(regional.map(({ windowStart }) => windowStart)).toEqual(windows.map(({ windowStart }) => windowStart));
  });

  it('shows the load of a region as the sum of its meters now, against its capacity', async () => {
    const nowMs = Date.now();
    await post(engine, Array.from({ length: 12 }, (_, i) => reading(`live-${i}`, nowMs - 1_000, 0.5, { region: 'region-02' })));
    const shown = (wanted: object) => eventually(() => get(engine, '/api/v1/regions/region-02'), ({ body }) => Object.entries(wanted).every(([name, value]) => body[name] === value));
    await shown({ meters: 12, metersReporting: 12, metersSilent: 0, loadKw: 6, capacityKw: 20, loadPercent: 30 });
    await post(engine, [reading('live-0', nowMs, -0.5, { region: 'region-02' })]);
    await shown({ meters: 12, loadKw: 5, loadPercent: 25 });
    await post(engine, [reading('live-1', nowMs, 0.5, { region: 'region-01' })]);
    await shown({ meters: 11, loadKw: 4.5 });
    const { body } = await get<{ data: { region: string }[] }>(engine, '/api/v1/regions');
    expect(body.data.map(({ region }) => region)).toEqual([...body.data.map(({ region }) => region)].sort());
  });

  it('tells a spike, a voltage out of band and a power cut among neighbours, and shows each to whoever asks for it', { timeout: 60_000 }, async () => {
    const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    const history = (meterId: string): WireReading[] =>
      Array.from({ length: 150 }, (_, i) => reading(meterId, endMs - (170 - i) * MINUTE_MS, 0.5 + ((i * 7) % 10) / 50, { region: 'troubled', voltage: 230 }));
    const tail = (meterId: string, powerKw: (i: number) => number, voltage: number): WireReading[] =>
      Array.from({ length: 19 }, (_, i) => reading(meterId, endMs - (19 - i) * MINUTE_MS, powerKw(i), { region: 'troubled', voltage }));
    const usual = (i: number): number => 0.5 + ((i * 7) % 10) / 50;
    const meters = ['spiky', 'high', 'dark', 'calm-1', 'calm-2', 'calm-3'];
    await post(engine, meters.flatMap(history));
    await post(engine, ['calm-1', 'calm-2', 'calm-3'].flatMap((meterId) => tail(meterId, usual, 230)));
    await post(engine, [...tail('spiky', () => 9, 230), ...tail('high', usual, 262)]);
    const found = (query: string) => get<{ data: { meterId: string; kind: string; severity: string; endedAt: string | null; message: string; id: string }[] }>(engine, `/api/v1/anomalies?${query}`);
    const { body: spikes } = await eventually(() => found('kind=spike'), ({ body }) => body.data.length > 0);
    expect(spikes.data).toMatchObject([{ meterId: 'spiky', region: 'troubled', severity: expect.stringMatching(/^(WARN|CRITICAL)$/), endedAt: null, startedAt: new Date(endMs - 19 * MINUTE_MS).toISOString() }]);
    const { body: bands } = await eventually(() => found('kind=voltage_band'), ({ body }) => body.data.length > 0);
    expect(bands.data).toMatchObject([{ meterId: 'high', value: 262, expected: 230 }]);
    // Neighbours' power is told to the shards every five seconds.
    await eventually(() => get(engine, '/api/v1/regions/troubled'), ({ body }) => body.metersReporting === meters.length);
    await new Promise((wake) => setTimeout(wake, 6_000));
    await post(engine, tail('dark', () => 0, 0));
    const { body: outages } = await eventually(() => found('kind=outage'), ({ body }) => body.data.length > 0);
    expect(outages.data).toMatchObject([{ meterId: 'dark', region: 'troubled', endedAt: null }]);

    expect((await found('meterId=spiky')).body.data.map(({ kind }) => kind)).toEqual(['spike']);
    expect((await found('region=troubled&open=true')).body.data.map(({ meterId }) => meterId).sort()).toEqual(['dark', 'high', 'spiky']);
    expect((await found('region=region-01')).body.data).toEqual([]);
    expect((await found('region=troubled&severity=INFO')).body.data.every(({ severity }) => severity === 'INFO')).toBe(true);
    const { body: meter } = await get<{ openAnomalies: string[]; baseline: { warm: boolean } }>(engine, '/api/v1/meters/spiky');
    expect(meter).toMatchObject({ openAnomalies: ['spike'], health: 'reporting', baseline: { warm: true } });
  });

  it('has every figure the operator needs in one scrape of well-formed Prometheus text', async () => {
    expect(await post(engine, [{ meterId: 'm' }])).toMatchObject({ rejected: 1 });
    const response = await fetch(engine.opsUrl('/metrics'));
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const families = new Map<string, string>();
    const series = new Set<string>();
    for (const line of text.trimEnd().split('\n')) {
      if (line === '') continue;
      const type = /^# TYPE ([a-z0-9_]+) (counter|gauge|histogram|summary)$/.exec(line);
      if (type !== null) {
        expect(families.has(type[1]), line).toBe(false);
        families.set(type[1], type[2]);
        continue;
      }
      if (line.startsWith('# HELP ')) continue;
      const sample = /^([a-z0-9_]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (-?[\d.]+(?:e[+-]?\d+)?|NaN|\+Inf|-Inf)$/i.exec(line);
      expect(sample, line).not.toBe(null);
      const name = sample![1];
      expect(families.has(name) || families.has(name.replace(/_(bucket|sum|count)$/, '')), `a TYPE before ${line}`).toBe(true);
      const id = name + (sample![2] ?? '');
      expect(series.has(id), `${id} once`).toBe(false);
      series.add(id);
    }
    expect([...families.keys()]).toEqual(
      expect.arrayContaining([
        ...['seg_readings_total', 'seg_rejects_total', 'seg_requests_total', 'seg_ack_latency_seconds', 'seg_windows_closed_total', 'seg_windows_corrected_total', 'seg_late_readings_total'],
        ...['seg_journal_lag_records', 'seg_queued_readings', 'seg_mailbox_depth', 'seg_mailbox_wait_seconds', 'seg_mailbox_handling_seconds', 'seg_actor_restarts_total', 'seg_event_loop_delay_seconds'],
        ...['seg_lmdb_bytes', 'seg_dead_letters_total', 'seg_anomalies_open', 'seg_meters', 'process_resident_memory_bytes'],
      ]),
    );
    for (const thread of ['ingest-0', 'shard-0', 'shard-1', 'shard-2']) expect([...series].some((id) => id.startsWith('seg_event_loop_delay_seconds') && id.includes(`thread="${thread}"`)), thread).toBe(true);
    const metrics = await scrape(engine);
    expect(metrics.get('seg_ack_latency_seconds_bucket{le="+Inf"}')).toBe(metrics.get('seg_ack_latency_seconds_count'));
    expect(metrics.get('seg_windows_closed_total{granularity="1m"}')).toBeGreaterThan(400);
  });

  it('logs JSON alone, a line each, and ends in order: not ready, answers in flight, then gone', async () => {
    const draining = await RawConnection.open(engine.ports.ingest);
    const body = JSON.stringify(reading('last', BASE_MS, 1));
    draining.write(`POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 9)}`);
    await new Promise((wake) => setTimeout(wake, 100));
    const stopped = engine.stop();
    const { status, body: problem } = await eventually(
      async () => {
        const response = await fetch(engine.opsUrl('/ready'));
        return { status: response.status, body: (await response.json()) as { notReady: object[] } };
      },
      (answer) => answer.status === 503,
    );
    expect([status, problem.notReady]).toEqual([503, [{ part: 'engine', state: 'stopping' }]]);
    expect((await fetch(engine.opsUrl('/health'))).status).toBe(200);
    draining.write(body.slice(9));
    expect((await draining.answer()).status).toBe(202);
    expect(await stopped).toBe(0);
    expect(engine.strayLines).toEqual([]);
    expect(engine.stderr).toBe('');
    expect(engine.lines.length).toBeGreaterThan(5);
    for (const line of engine.lines) expect(line).toMatchObject({ level: expect.stringMatching(/^(info|warn)$/), time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), name: expect.any(String), msg: expect.any(String) });
  });
});

/** Status codes of /ready from the first answer to the first 200, without repeats. */
async function statusesUntilReady(opsPort: number): Promise<number[]> {
  const seen: number[] = [];
  await eventually(
    () => fetch(`http://127.0.0.1:${opsPort}/ready`).then(({ status }) => status, () => 0),
    (status) => {
      if (status !== 0 && status !== seen.at(-1)) seen.push(status);
      return status === 200;
    },
    60_000,
  );
  return seen;
}
