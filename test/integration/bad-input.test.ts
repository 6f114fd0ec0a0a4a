import { gzipSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../fixtures/ingest/raw-http.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import { allRows, get, meterWindows, post, postBody, scrape, type Answer, type IngestReply, type WireReading } from '../support/engine-api.ts';
import { EngineProcess, eventually } from '../support/engine-process.ts';

/** Every kind of bad input against a real engine: the exact reply, and nothing else changes. */

const MINUTE_MS = 60_000;
const MIB = 1_048_576;
/** A minute that is over, so that what is sent for it is of the past and within every limit. */
const BASE_MS = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS;
const JSON_TYPE = { 'content-type': 'application/json' };
const NDJSON_TYPE = { 'content-type': 'application/x-ndjson' };
const MSGPACK_TYPE = { 'content-type': 'application/msgpack' };
const packr = new Packr({ useRecords: false });

interface DeadLetterRow {
  receivedAt: string;
  code: string;
  message: string;
  index: number;
  meterId: string | null;
  raw: string;
}

interface Counts {
  accepted: number;
  duplicate: number;
  rejected: number;
  deadLetters: number;
  meters: number;
}

let engine: EngineProcess;
beforeAll(async () => {
  engine = await EngineProcess.start({ settings: { SHARDS: '2', BODY_DEADLINE: '4s' } });
});
afterAll(() => engine.dispose());

async function counts(): Promise<Counts> {
  const values = await scrape(engine);
  const sum = (family: string): number => [...values].reduce((total, [series, value]) => (series === family || series.startsWith(`${family}{`) ? total + value : total), 0);
  return {
    accepted: values.get('seg_readings_total{outcome="accepted"}') ?? 0,
    duplicate: values.get('seg_readings_total{outcome="duplicate"}') ?? 0,
    rejected: values.get('seg_readings_total{outcome="rejected"}') ?? 0,
    deadLetters: (await deadLetters()).length,
    meters: sum('seg_meters'),
  };
}

function deadLetters(): Promise<DeadLetterRow[]> {
  return allRows(engine, '/api/v1/dead-letters', { limit: 1_000 });
}

let goodSent = 0;
/** A good reading of one meter, each newer than the one before. */
function good(): WireReading {
  return { meterId: 'good', region: 'region-01', timestamp: BASE_MS + goodSent++ * 10, powerKw: 1 };
}

/**
 * Does `harm` between two good readings. They are counted, what harm is said to add is, and nothing else; the windows of the good meter
 * are those of its readings.
 */
async function amid(harm: () => Promise<void>, added: Partial<Counts> | (() => Partial<Counts>) = {}): Promise<void> {
  expect(await post(engine, [good()])).toEqual({ accepted: 1, duplicates: 0, rejected: 0, errors: [] });
  const before = await counts();
  await harm();
  expect(await post(engine, [good()])).toEqual({ accepted: 1, duplicates: 0, rejected: 0, errors: [] });
  const wanted = { ...before, accepted: before.accepted + 1 };
  for (const [name, count] of Object.entries(typeof added === 'function' ? added() : added) as [keyof Counts, number][]) wanted[name] += count;
  await eventually(counts, (now) => JSON.stringify(now) === JSON.stringify(wanted)).catch(async () => expect(await counts()).toEqual(wanted));
  const windows = await meterWindows(engine, 'good', '1m', { from: BASE_MS, to: BASE_MS + 60 * MINUTE_MS });
  expect(windows.reduce((sum, { count }) => sum + count, 0)).toBe(goodSent);
  expect(windows.every(({ avgPowerKw, minPowerKw, maxPowerKw }) => avgPowerKw === 1 && minPowerKw === 1 && maxPowerKw === 1)).toBe(true);
  expect(engine.lines.filter(({ level }) => level === 'error')).toEqual([]);
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.body).toMatchObject({ status, type: `urn:seg:problem:${code}`, requestId: expect.any(String), detail: expect.any(String), title: expect.any(String) });
}

const sound = (overrides: object = {}): Record<string, unknown> => ({ meterId: 'spoiled', region: 'region-02', timestamp: BASE_MS, powerKw: 1, ...overrides });

describe('a request that cannot be read is refused whole', () => {
  const reading = JSON.stringify(sound());
  const refused: [string, string | Uint8Array<ArrayBuffer>, Record<string, string>, number, string][] = [
    ['text that is not JSON', 'good morning', JSON_TYPE, 400, 'invalid_json'],
    ['JSON that is cut off', `[${reading},${reading.slice(0, 40)}`, JSON_TYPE, 400, 'invalid_json'],
    ['an object that is cut off', reading.slice(0, -1), JSON_TYPE, 400, 'invalid_json'],
    ['something after the end', `${reading}]`, JSON_TYPE, 400, 'invalid_json'],
    ['the token NaN', reading.replace(/"powerKw":1/, '"powerKw":NaN'), JSON_TYPE, 400, 'invalid_json'],
    ['the token Infinity', reading.replace(/"powerKw":1/, '"powerKw":Infinity'), JSON_TYPE, 400, 'invalid_json'],
    ['the token -Infinity', `[${reading},${reading.replace(/"powerKw":1/, '"powerKw":-Infinity')}]`, JSON_TYPE, 400, 'invalid_json'],
    ['a raw NUL in a string', reading.replace('spoiled', 'spoi\u0000led'), JSON_TYPE, 400, 'invalid_json'],
    ['a raw quote in a string', reading.replace('spoiled', 'spoi"led'), JSON_TYPE, 400, 'invalid_json'],
    ['bytes that are not UTF-8', Buffer.from(reading.replace('spoiled', 'spoiléd'), 'latin1') as Uint8Array<ArrayBuffer>, JSON_TYPE, 400, 'invalid_utf8'],
    ['nothing as JSON', '', JSON_TYPE, 400, 'empty_body'],
    ['nothing as NDJSON', '\n\n', NDJSON_TYPE, 400, 'empty_body'],
    ['nothing as MessagePack', '', MSGPACK_TYPE, 400, 'empty_body'],
    ['MessagePack that is cut off', Uint8Array.from(packr.pack([sound()])).subarray(0, -3), MSGPACK_TYPE, 400, 'invalid_msgpack'],
    ['JSON that is called MessagePack', `${reading}`, MSGPACK_TYPE, 400, 'invalid_msgpack'],
    ['a body that is not gzip', reading, { ...JSON_TYPE, 'content-encoding': 'gzip' }, 400, 'invalid_gzip'],
    ['gzip that is cut off', gzipSync(reading).subarray(0, -9), { ...JSON_TYPE, 'content-encoding': 'gzip' }, 400, 'invalid_gzip'],
    ['another content type', reading, { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    ['another charset', reading, { 'content-type': 'application/json; charset=iso-8859-1' }, 415, 'unsupported_media_type'],
    ['another coding', reading, { ...JSON_TYPE, 'content-encoding': 'br' }, 415, 'unsupported_media_type'],
    // fetch adds a Content-Type to text, but not to bytes.
    ['no content type', Uint8Array.from(Buffer.from(reading)), {}, 415, 'unsupported_media_type'],
  ];

  it.each(refused)('%s', async (_, body, headers, status, code) => {
    await amid(async () => expectProblem(await postBody(engine, body, headers), status, code));
  });

  it('50,001 readings', async () => {
    const readings = Array.from({ length: 50_001 }, (_, i) => sound({ timestamp: BASE_MS + i }));
    await amid(async () => expectProblem(await postBody(engine, JSON.stringify(readings)), 413, 'too_many_readings'));
    await amid(async () => expectProblem(await postBody(engine, readings.map((one) => JSON.stringify(one)).join('\n'), NDJSON_TYPE), 413, 'too_many_readings'));
    await amid(async () => expectProblem(await postBody(engine, Uint8Array.from(packr.pack(readings)), MSGPACK_TYPE), 413, 'too_many_readings'));
  });

  it('16 MiB and a byte, though 16 MiB are fine', async () => {
    const padded = (bytes: number, text: string): string => text + ' '.repeat(bytes - text.length);
    await amid(async () => expectProblem(await postBody(engine, padded(16 * MIB + 1, '[]')), 413, 'body_too_large'));
    await amid(async () => {
      const { status, body } = await postBody(engine, padded(16 * MIB, JSON.stringify([sound({ meterId: 'large' })])));
      expect([status, body.accepted]).toEqual([202, 1]);
    }, { accepted: 1, meters: 1 });
    await amid(async () => expectProblem(await postBody(engine, gzipSync(padded(16 * MIB + 1, '[]')), { ...JSON_TYPE, 'content-encoding': 'gzip' }), 413, 'body_too_large'));
  });

  it('a gzip bomb of a gibibyte', async () => {
    const member = gzipSync(Buffer.alloc(64 * MIB, ' '));
    const bomb = Uint8Array.from(Buffer.concat(Array<Buffer>(16).fill(member)));
    const residentBytes = (await scrape(engine)).get('process_resident_memory_bytes')!;
    await amid(async () => expectProblem(await postBody(engine, bomb, { ...JSON_TYPE, 'content-encoding': 'gzip' }), 413, 'body_too_large'));
    expect((await scrape(engine)).get('process_resident_memory_bytes')! - residentBytes).toBeLessThan(128 * MIB);
  });
});

describe('paths and methods that are not there', () => {
  it.each([
    ['POST', '/ingests', 404, 'not_found'],
    ['POST', '/', 404, 'not_found'],
    ['GET', '/ingest', 405, 'method_not_allowed'],
    ['DELETE', '/ingest', 405, 'method_not_allowed'],
  ])('%s %s of the ingest port', async (method, path, status, code) => {
    await amid(async () => {
      const response = await fetch(engine.ingestUrl() + path, { method });
      expectProblem({ status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> }, status, code);
      if (status === 405) expect(response.headers.get('allow')).toBe('POST, OPTIONS');
    });
  });

  it.each([
    ['GET', '/api/v1/nothing', 404, 'not_found'],
    ['GET', '/api/v1/meters/nobody', 404, 'unknown_meter'],
    ['GET', '/api/v1/meters/no%22body/aggregates', 404, 'unknown_meter'],
    ['GET', '/api/v1/meters?limit=0', 400, 'invalid_query'],
    ['GET', '/api/v1/meters?colour=red', 400, 'invalid_query'],
    ['GET', '/api/v1/meters/good/aggregates?from=yesterday', 400, 'invalid_query'],
    ['GET', '/api/v1/meters/good/aggregates?cursor=%00', 400, 'invalid_query'],
    ['GET', '/api/v1/dead-letters?cursor=zz!', 400, 'invalid_query'],
    ['GET', '/api/v1/anomalies?kind=ghost', 400, 'invalid_query'],
    ['POST', '/api/v1/meters', 405, 'method_not_allowed'],
  ])('%s %s of the gateway', async (method, path, status, code) => {
    await amid(async () => {
      const response = await fetch(engine.apiUrl(path), { method });
      expectProblem({ status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> }, status, code);
    });
  });
});

describe('a bad reading is rejected by index and dead-lettered, and its neighbours count', () => {
  const iso = (text: string): string => JSON.stringify(sound({ timestamp: text }));
  const with_ = (overrides: object): string => JSON.stringify(sound(overrides));
  /** [what, element as JSON text, or when it is sent, code] */
  const bad: [string, string | (() => string), string][] = [
    ['a number', '42', 'not_an_object'],
    ['null', 'null', 'not_an_object'],
    ['an array in the array', '[]', 'not_an_object'],
    ['an empty object', '{}', 'missing_field'],
    ['no meterId', with_({ meterId: undefined }), 'missing_field'],
    ['no region', with_({ region: undefined }), 'missing_field'],
    ['no timestamp', with_({ timestamp: undefined }), 'missing_field'],
    ['no powerKw', with_({ powerKw: undefined }), 'missing_field'],
    ['powerKw null', with_({ powerKw: null }), 'missing_field'],
    ['powerKw as text', with_({ powerKw: '1' }), 'invalid_type'],
    ['powerKw true', with_({ powerKw: true }), 'invalid_type'],
    ['powerKw in an array', with_({ powerKw: [1] }), 'invalid_type'],
    ['meterId a number', with_({ meterId: 7 }), 'invalid_type'],
    ['voltage as text', with_({ voltage: '230' }), 'invalid_type'],
    ['metadata as text', with_({ metadata: 'x' }), 'invalid_type'],
    ['powerKw 1e999', with_({}).replace('"powerKw":1', '"powerKw":1e999'), 'not_finite'],
    ['powerKw -1e999', with_({}).replace('"powerKw":1', '"powerKw":-1e999'), 'not_finite'],
    ['energyKwh 1e999', with_({ energyKwh: 0 }).replace('"energyKwh":0', '"energyKwh":1e999'), 'not_finite'],
    ['powerKw past 1e6', with_({ powerKw: 1_000_000.1 }), 'out_of_range'],
    ['a negative voltage', with_({ voltage: -1 }), 'out_of_range'],
    ['a powerFactor of 2', with_({ powerFactor: 2 }), 'out_of_range'],
    ['a broken seq', with_({ seq: 1.5 }), 'out_of_range'],
    ['a status of neither kind', with_({ status: 'ok' }), 'invalid_status'],
    ['a meterId of 65 characters', with_({ meterId: 'm'.repeat(65) }), 'invalid_meter_id'],
    ['a meterId with a NUL', with_({ meterId: 'a\u0000b' }), 'invalid_meter_id'],
    ['a meterId with a quote', with_({ meterId: 'a"b' }), 'invalid_meter_id'],
    ['a meterId with a quote for SQL', with_({ meterId: "a'; DROP TABLE meters;--" }), 'invalid_meter_id'],
    ['a meterId beyond ASCII', with_({ meterId: 'zähler' }), 'invalid_meter_id'],
    ['an empty meterId', with_({ meterId: '' }), 'invalid_meter_id'],
    ['a region of 65 characters', with_({ region: 'r'.repeat(65) }), 'invalid_region'],
    ['a readingId of 65 characters', with_({ readingId: 'r'.repeat(65) }), 'invalid_reading_id'],
    ['an empty timestamp', iso(''), 'invalid_timestamp'],
    ['a timestamp in words', iso('yesterday'), 'invalid_timestamp'],
    ['a date alone', iso('2026-01-01'), 'invalid_timestamp'],
    ['a timestamp without offset', iso('2026-01-01T00:00:00'), 'invalid_timestamp'],
    ['a timestamp without seconds', iso('2026-01-01T00:00Z'), 'invalid_timestamp'],
    ['a timestamp in basic format', iso('20260101T000000Z'), 'invalid_timestamp'],
    ['a German timestamp', iso('01.01.2026 00:00:00Z'), 'invalid_timestamp'],
    ['a thirteenth month', iso('2026-13-01T00:00:00Z'), 'invalid_timestamp'],
    ['a 30th of February', iso('2026-02-30T00:00:00Z'), 'invalid_timestamp'],
    ['a 29th of February of 2025', iso('2025-02-29T00:00:00Z'), 'invalid_timestamp'],
    ['an hour 24', iso('2026-01-01T24:00:00Z'), 'invalid_timestamp'],
    ['a minute 60', iso('2026-01-01T00:60:00Z'), 'invalid_timestamp'],
    ['a leap second', iso('2016-12-31T23:59:60Z'), 'invalid_timestamp'],
    ['an offset of 25 hours', iso('2026-01-01T00:00:00+25:00'), 'invalid_timestamp'],
    ['a fraction without digits', iso('2026-01-01T00:00:00.Z'), 'invalid_timestamp'],
    ['a year of five digits', iso('12026-01-01T00:00:00Z'), 'invalid_timestamp'],
    ['something after the timestamp', iso('2026-01-01T00:00:00Z '), 'invalid_timestamp'],
    ['epoch milliseconds as text', iso('1767225600000'), 'invalid_timestamp'],
    ['broken milliseconds', with_({ timestamp: BASE_MS + 0.5 }), 'invalid_timestamp'],
    ['a timestamp of 1e300', with_({ timestamp: 1e300 }), 'invalid_timestamp'],
    ['a timestamp true', with_({ timestamp: true }), 'invalid_type'],
    ['a timestamp as an object', with_({ timestamp: {} }), 'invalid_type'],
    ['a timestamp from 1969', iso('1969-12-31T23:59:59Z'), 'timestamp_too_old'],
    ['a negative timestamp', with_({ timestamp: -1 }), 'timestamp_too_old'],
    ['epoch seconds', with_({ timestamp: Math.floor(BASE_MS / 1_000) }), 'timestamp_too_old'],
    ['the last moment of 1999', iso('1999-12-31T23:59:59.999Z'), 'timestamp_too_old'],
    ['a timestamp from 2099', iso('2099-01-01T00:00:00Z'), 'timestamp_in_future'],
    ['a timestamp in six minutes', () => with_({ timestamp: Date.now() + 6 * MINUTE_MS }), 'timestamp_in_future'],
  ];

  it.each(bad)('%s', async (_, given, code) => {
    const element = typeof given === 'string' ? given : given();
    const sinceMs = Date.now() - 1;
    const first = good();
    const last = good();
    let error: IngestReply['errors'][number] | undefined;
    await amid(async () => {
      const { status, body } = await postBody<IngestReply>(engine, `[${JSON.stringify(first)},${element},${JSON.stringify(last)}]`);
      expect({ status, ...body }).toMatchObject({ status: 202, accepted: 2, duplicates: 0, rejected: 1, errors: [{ index: 1, code, message: expect.any(String) }] });
      [error] = body.errors;
      const letters = await eventually(deadLetters, (rows) => rows.some(({ receivedAt }) => Date.parse(receivedAt) >= sinceMs));
      const ours = letters.filter(({ receivedAt }) => Date.parse(receivedAt) >= sinceMs);
      expect(ours).toHaveLength(1);
      expect(ours[0]).toMatchObject({ code, message: error.message, index: 1 });
      expect(ours[0].raw).toBe(Buffer.from(element).subarray(0, 512).toString());
    }, { accepted: 2, rejected: 1, deadLetters: 1 });
  });

  it('of NDJSON, where a broken line is one reading', async () => {
    const lines = [JSON.stringify(good()), '{"meterId":"spoiled",', JSON.stringify(good()), JSON.stringify(sound()).replace('"powerKw":1', '"powerKw":NaN')];
    await amid(async () => {
      const { status, body } = await postBody<IngestReply>(engine, lines.join('\n'), NDJSON_TYPE);
      expect([status, body.accepted, body.errors.map(({ index, code }) => `${index} ${code}`)]).toEqual([202, 2, ['1 invalid_json', '3 invalid_json']]);
    }, { accepted: 2, rejected: 2, deadLetters: 2 });
  });

  it('of MessagePack, which has NaN and Infinity', async () => {
    const elements = [good(), sound({ powerKw: NaN }), sound({ powerKw: -Infinity }), sound({ meterId: Buffer.from('spoiled') }), good()];
    await amid(async () => {
      const { status, body } = await postBody<IngestReply>(engine, Uint8Array.from(packr.pack(elements)), MSGPACK_TYPE);
      expect([status, body.accepted, body.errors.map(({ index, code }) => `${index} ${code}`)]).toEqual([202, 2, ['1 not_finite', '2 not_finite', '3 invalid_type']]);
    }, { accepted: 2, rejected: 3, deadLetters: 3 });
  });

  it('finds the dead letters of a code or a meter', async () => {
    const ofCode = await allRows<DeadLetterRow>(engine, '/api/v1/dead-letters', { code: 'not_finite', limit: 2 });
    expect(ofCode.map(({ code }) => code)).toEqual(Array(5).fill('not_finite'));
    const ofMeter = await allRows<DeadLetterRow>(engine, '/api/v1/dead-letters', { meterId: 'spoiled', limit: 1_000 });
    expect(ofMeter.length).toBeGreaterThan(20);
    expect(new Set(ofMeter.map(({ meterId }) => meterId))).toEqual(new Set(['spoiled']));
  });
});

describe('what looks odd and is right', () => {
  it('takes an empty array', async () => {
    await amid(async () => expect(await post(engine, [])).toEqual({ accepted: 0, duplicates: 0, rejected: 0, errors: [] }));
  });

  it('takes 50,000 readings at once', async () => {
    const readings = Array.from({ length: 50_000 }, (_, i) => sound({ meterId: `many-${i % 100}`, timestamp: BASE_MS + i }));
    await amid(async () => expect(await post(engine, readings)).toEqual({ accepted: 50_000, duplicates: 0, rejected: 0, errors: [] }), { accepted: 50_000, meters: 100 });
  });

  it('counts zero power, and -0 as zero', async () => {
    await amid(async () => {
      const body = `[{"meterId":"zero","region":"region-03","timestamp":${BASE_MS},"powerKw":0},{"meterId":"zero","region":"region-03","timestamp":${BASE_MS + 1},"powerKw":-0},{"meterId":"zero","region":"region-03","timestamp":${BASE_MS + 1},"powerKw":0}]`;
      expect((await postBody(engine, body)).body).toMatchObject({ accepted: 2, duplicates: 1, rejected: 0 });
    }, { accepted: 2, duplicate: 1, meters: 1 });
    const [window] = await meterWindows(engine, 'zero', '1m', { from: BASE_MS, to: BASE_MS + MINUTE_MS });
    expect(window).toMatchObject({ count: 2, avgPowerKw: 0, minPowerKw: 0, maxPowerKw: 0, energyKwhSum: 0, energySource: 'estimated' });
  });

  it('takes a clock that is four minutes ahead, lower-case t and z, a space, offsets and many digits of a second', async () => {
    const at = new Date(BASE_MS).toISOString().slice(0, 19);
    const stamps = [Date.now() + 4 * MINUTE_MS, `${at}.5Z`, `${at.replace('T', 't')}.6z`, `${at.replace('T', ' ')}.7Z`, `${at}.123456789+00:00`, `${at}-00:00`];
    await amid(async () => {
      const reply = await post(engine, stamps.map((timestamp, i) => sound({ meterId: `stamps-${i}`, timestamp })));
      expect(reply).toEqual({ accepted: stamps.length, duplicates: 0, rejected: 0, errors: [] });
    }, { accepted: stamps.length, meters: stamps.length });
  });

  it('keeps unknown fields and nested metadata out of the way', async () => {
    const body = JSON.stringify(sound({ meterId: 'talkative', extra: { a: [1, { b: 'x' }] }, metadata: { firmware: '1', deep: [[[{}]]] }, userId: 'u' }));
    await amid(async () => expect((await postBody(engine, body)).body).toMatchObject({ accepted: 1, rejected: 0 }), { accepted: 1, meters: 1 });
  });
});

describe('bad connections', () => {
  const head = (length: number): string => `POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

  it('gives a slow sender 408, while others are served', async () => {
    const slow = await RawConnection.open(engine.ports.ingest);
    const body = JSON.stringify([sound({ meterId: 'slow' })]);
    slow.write(head(body.length));
    slow.write(body.slice(0, 20));
    let served = 0;
    await amid(async () => {
      const answer = slow.answer();
      let over = false;
      void answer.then(() => (over = true));
      while (!over) {
        served += (await post(engine, [good()])).accepted;
        await new Promise((wake) => setTimeout(wake, 200));
      }
      const { status, body: text } = await answer;
      expect([status, (JSON.parse(text) as { code: string }).code]).toEqual([408, 'body_timeout']);
    }, () => ({ accepted: served }));
    expect(served).toBeGreaterThan(1);
    expect((await get(engine, '/api/v1/meters/slow')).status).toBe(404);
    await slow.untilClosed();
  });

  it('takes nothing of a request whose connection closes in the middle', async () => {
    await amid(async () => {
      for (let i = 0; i < 20; i++) {
        const connection = await RawConnection.open(engine.ports.ingest);
        const body = JSON.stringify([sound({ meterId: 'hangs-up' }), sound({ meterId: 'hangs-up', timestamp: BASE_MS + 1 })]);
        connection.write(head(body.length));
        connection.write(body.slice(0, -1 - i));
        await new Promise((wake) => setTimeout(wake, 5));
        connection.destroy();
      }
    });
    expect((await get(engine, '/api/v1/meters/hangs-up')).status).toBe(404);
  });

  it('serves a thousand connections at once', async () => {
    const body = (i: number): string => JSON.stringify(sound({ meterId: `crowd-${i}`, region: 'region-04' }));
    await amid(async () => {
      const connections = await Promise.all(Array.from({ length: 1_000 }, () => RawConnection.open(engine.ports.ingest)));
      for (const [i, connection] of connections.entries()) {
        connection.write(head(body(i).length));
        connection.write(body(i));
      }
      const answers = await Promise.all(connections.map((connection) => connection.answer()));
      for (const connection of connections) connection.destroy();
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    }, { accepted: 1_000, meters: 1_000 });
  });
});

describe('formats', () => {
  it('gives equal windows for equal readings in every format, plain and gzip', async () => {
    const readings = Array.from({ length: 300 }, (_, i) => ({ region: 'region-05', timestamp: BASE_MS + i * 997, powerKw: ((i * 7919) % 10_007) / 1_000 - 2, energyKwh: i % 3 === 0 ? i / 1_000 : undefined, voltage: 230 + (i % 7) / 10 }));
    const of = (meterId: string): Record<string, unknown>[] =>
      readings.map((reading, i) => ({
        meterId,
        ...reading,
        timestamp: i % 2 === 0 ? reading.timestamp : new Date(reading.timestamp).toISOString(),
      }));
    const encoders: Record<string, { headers: Record<string, string>; bodies: (all: object[]) => (string | Buffer)[] }> = {
      object: { headers: JSON_TYPE, bodies: (all) => all.map((one) => JSON.stringify(one)) },
      array: { headers: JSON_TYPE, bodies: (all) => [JSON.stringify(all)] },
      ndjson: { headers: NDJSON_TYPE, bodies: (all) => [all.map((one) => JSON.stringify(one)).join('\n')] },
      msgpack: { headers: MSGPACK_TYPE, bodies: (all) => [packr.pack(JSON.parse(JSON.stringify(all)))] },
    };
    const wanted = windowsOf(readings.map((reading) => ({ meterId: '', ...reading })), '1m').map(({ meterId: _, ...window }) => window);
    for (const [format, { headers, bodies }] of Object.entries(encoders)) {
      for (const gzip of [false, true]) {
        const meterId = `format-${format}${gzip ? '-gzip' : ''}`;
        for (const body of bodies(of(meterId))) {
          const bytes = Uint8Array.from(gzip ? gzipSync(body) : Buffer.from(body));
          const { status } = await postBody(engine, bytes, gzip ? { ...headers, 'content-encoding': 'gzip' } : headers);
          expect(status).toBe(202);
        }
        const got = await meterWindows(engine, meterId, '1m', { from: BASE_MS, to: BASE_MS + 60 * MINUTE_MS });
        expect(got.map(({ meterId: _, revision: __, final: ___, windowStart, windowEnd, ...window }) => ({ ...window, windowStart: Date.parse(windowStart), windowEnd: Date.parse(windowEnd) })), meterId).toEqual(wanted);
      }
    }
  });
});
