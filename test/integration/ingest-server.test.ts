import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { BodyFormat, IngestPort, IngestRefusal, IngestSummary } from '../../src/actors/ingest/protocol.ts';
import type { BodyLimits } from '../../src/http/body-intake.ts';
import type { FaultyRequest } from '../../src/http/http-front.ts';
import { INGEST_LIMITS_DEFAULT, startIngestServer } from '../../src/http/ingest-server.ts';
import type { IngestServer } from '../../src/http/ingest-server.ts';
import { BODY_BYTES_MAX } from '../../src/model/reading.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import type { Tracing } from '../../src/runtime/tracing.ts';
import { RawConnection, until } from '../fixtures/ingest/raw-http.ts';
import { RecordedTracing, traceparentOf } from '../support/recorded-tracing.ts';

type Done = (result: IngestSummary | IngestRefusal) => void;

/** Answers each body with its length as `accepted`, or as the test says. */
class FakePort implements IngestPort {
  readonly bodies: { format: BodyFormat; bytes: number; text: string }[] = [];
  respond: (done: Done, body: Uint8Array) => void = (done, body) => done(accepted(body.length));

  /** What it says to bodies that it does not want to see. */
  unread: IngestRefusal | null = null;

  refuseUnread(): IngestRefusal | null {
    return this.unread;
  }

  ingest(body: Uint8Array, format: BodyFormat, done: Done): void {
    this.bodies.push({ format, bytes: body.length, text: Buffer.from(body.subarray(0, 40)).toString() });
    this.respond(done, body);
  }
}

const accepted = (n: number): IngestSummary => ({ accepted: n, duplicates: 0, rejected: 0, errors: [] });
const servers: IngestServer[] = [];
const faults: unknown[] = [];
/** Of the faults, in their order. */
const faulty: FaultyRequest[] = [];

afterEach(async () => {
  faults.length = 0;
  faulty.length = 0;
  for (const server of servers.splice(0)) await server.close(0);
});

function onFault(error: unknown, request: FaultyRequest): void {
  faults.push(error);
  faulty.push(request);
}

async function start(limits: Partial<BodyLimits> = {}, options: { port?: number; exclusivePort?: boolean; ingest?: IngestPort; tracing?: Tracing } = {}) {
  const port = new FakePort();
  const server = await startIngestServer(
    {
      host: '127.0.0.1',
      port: options.port ?? 0,
      exclusivePort: options.exclusivePort ?? true,
      limits: { ...INGEST_LIMITS_DEFAULT, ...limits },
      requestIdPrefix: 'test',
    },
    { ingest: options.ingest ?? port, clock: systemClock, timers: systemTimers, tracing: options.tracing, onFault },
  );
  servers.push(server);
  const url = `http://127.0.0.1:${server.port}/ingest`;
  const post = (body: string | Uint8Array | ReadableStream, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
    fetch(url, { method: 'POST', body, headers, ...(body instanceof ReadableStream ? { duplex: 'half' } : {}) } as RequestInit);
  return { server, port, url, post };
}

/** The system does not let a port be shared that it chose itself. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** Status and document of a problem, with the shape of every problem checked. */
async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ type: `urn:seg:problem:${problem.code}`, status: response.status, title: expect.any(String), detail: expect.any(String) });
  expect(response.headers.get('x-request-id')).toBe(problem.requestId);
  return problem;
}

function head(length: number | 'chunked', extra = ''): string {
  const framing = length === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`;
  return `POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${framing}\r\n${extra}\r\n`;
}

describe('content types', () => {
  it.each([
    ['application/json', 'json'],
    ['application/json; charset=utf-8', 'json'],
    ['Application/JSON;Charset="UTF-8"', 'json'],
    ['application/json; profile=x', 'json'],
    ['application/x-ndjson', 'ndjson'],
    ['application/ndjson', 'ndjson'],
    ['application/msgpack', 'msgpack'],
    ['application/x-msgpack', 'msgpack'],
    ['application/vnd.msgpack', 'msgpack'],
  ])('takes %s as %s', async (contentType, format) => {
    const { port, post } = await start();
    expect((await post('{}', { 'content-type': contentType })).status).toBe(202);
    expect(port.bodies).toMatchObject([{ format, bytes: 2, text: '{}' }]);
  });

  it.each([
    [{ 'content-type': 'text/plain' }, /text\/plain.*application\/json/],
    [{ 'content-type': 'application/json; charset=latin1' }, /latin1.*UTF-8/],
    [{ 'content-type': 'application/json', 'content-encoding': 'br' }, /br.*gzip/],
    [{ 'content-type': 'application/json', 'content-encoding': 'gzip, gzip' }, /gzip/],
  ])('refuses %j with 415', async (headers, detail) => {
    const { port, post } = await start();
    const response = await post('{}', headers as Record<string, string>);
    expect(response.status).toBe(415);
    expect((await problemOf(response)).detail).toMatch(detail);
    expect(port.bodies).toEqual([]);
  });

  it('refuses a body without a content type with 415 that says what to send', async () => {
    const { server } = await start();
    const connection = await RawConnection.open(server.port);
    connection.write('POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    const answer = await connection.answer();
    expect(answer.status).toBe(415);
    expect(answer.body).toMatch(/no Content-Type.*application\/json/);
    connection.write(`${head(2)}{}`);
    expect((await connection.answer()).status).toBe(202);
    connection.destroy();
  });
});

describe('answers', () => {
  it('sends the summary as DESIGN has it', async () => {
    const { port, post } = await start();
    expect(await (await post('x')).text()).toBe('{"accepted":1,"duplicates":0,"rejected":0,"errors":[]}');
    expect(await (await post('12345')).text()).toBe('{"accepted":5,"duplicates":0,"rejected":0,"errors":[]}');
    const mixed: IngestSummary = { accepted: 0, duplicates: 2, rejected: 1, errors: [{ index: 3, code: 'too_late', message: 'it is "late"' }] };
    port.respond = (done) => done(mixed);
    const response = await post('x');
    expect(response.status).toBe(202);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual(mixed);
  });

  it.each<[IngestRefusal, string | null]>([
    [{ status: 400, code: 'invalid_json', message: 'no', offset: 7 }, null],
    [{ status: 413, code: 'too_many_readings', message: 'no' }, null],
    [{ status: 429, code: 'overloaded', message: 'no', retryAfterSeconds: 1 }, '1'],
    [{ status: 503, code: 'storage_full', message: 'no', retryAfterSeconds: 10 }, '10'],
  ])('sends refusal %j as a problem', async (refusal, retryAfter) => {
    const { port, post } = await start();
    port.respond = (done) => done(refusal);
    const response = await post('x');
    expect(response.status).toBe(refusal.status);
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: refusal.code, detail: 'no' });
    expect(problem.offset).toBe('offset' in refusal ? refusal.offset : undefined);
  });

  it('echoes a well-formed x-request-id and replaces any other', async () => {
    const { post } = await start();
    const json = { 'content-type': 'application/json' };
    expect((await post('x', { ...json, 'x-request-id': 'abc-1' })).headers.get('x-request-id')).toBe('abc-1');
    expect((await post('x', { ...json, 'x-request-id': 'a b<c>' })).headers.get('x-request-id')).toMatch(/^test-/);
    expect((await post('x', { 'x-request-id': 'abc-2', 'content-type': 'text/plain' })).headers.get('x-request-id')).toBe('abc-2');
  });

  it('answers 500 when the port throws, reports the error and goes on', async () => {
    const { port, post } = await start();
    port.respond = () => {
      throw new Error('a bug');
    };
    expect(await problemOf(await post('x'))).toMatchObject({ status: 500, code: 'internal_error' });
    expect(await problemOf(await post(gzipSync('x'), { 'content-type': 'application/json', 'content-encoding': 'gzip' }))).toMatchObject({ status: 500 });
    expect(faults).toMatchObject([{ message: 'a bug' }, { message: 'a bug' }]);
    port.respond = (done) => done(accepted(1));
    expect((await post('x')).status).toBe(202);
  });

  it('reports an error with the trace of a request that is traced', async () => {
    const tracing = new RecordedTracing();
    const { port, post } = await start({}, { tracing });
    port.respond = () => {
      throw new Error('a bug');
    };
    const json = { 'content-type': 'application/json' };
    await post('x', { ...json, traceparent: traceparentOf(1) });
    await post('x', { ...json, traceparent: traceparentOf(1).replace(/01$/, '00') });
    const [, traceId, spanId] = tracing.named('POST /ingest')[0].traceparent.split('-');
    expect(faulty).toEqual([{ requestId: expect.any(String), traceId, spanId }, { requestId: expect.any(String) }]);
  });

  it('refuses before the body came when nothing can be taken, and the connection stays usable', async () => {
    const { server, port } = await start();
    port.unread = { status: 429, code: 'overloaded', message: 'Later.', retryAfterSeconds: 1 };
    const connection = await RawConnection.open(server.port);
    connection.write(`${head(200_000)}${' '.repeat(1_000)}`);
    const refused = await connection.answer();
    expect([refused.status, refused.headers['retry-after'], JSON.parse(refused.body).code]).toEqual([429, '1', 'overloaded']);
    expect(server.stats().bodies).toMatchObject({ collecting: 0, bufferedBytes: 0 });
    port.unread = null;
    connection.write(`${' '.repeat(199_000)}${head(2)}{}`);
    expect((await connection.answer()).status).toBe(202);
    expect(port.bodies.map(({ bytes }) => bytes)).toEqual([2]);
    connection.destroy();
  });

  it.each(['read for nothing', 'not read, as queues were full'] as const)('takes in few bodies at once after one that was %s, and as many as ever a second later', async (how) => {
    const { server, port, post } = await start();
    const hogs = await Promise.all([1, 2, 3].map(() => RawConnection.open(server.port)));
    for (const hog of hogs) hog.write(head(5_000_000) + ' '.repeat(4_000_000));
    await until(() => server.stats().bodies.bufferedBytes > 8 * 1024 * 1024, 'the bodies are held');
    expect((await post('x')).status).toBe(202);
    const full: IngestRefusal = { status: 429, code: 'overloaded', message: 'Full.', retryAfterSeconds: 1 };
    if (how === 'read for nothing') port.respond = (done) => done(full);
    else port.unread = full;
    expect((await post('x')).status).toBe(429);
    port.respond = (done) => done(accepted(1));
    port.unread = null;
    const seen = port.bodies.length;
    const refused = await RawConnection.open(server.port);
    refused.write(head(200_000));
    expect(await refused.answer()).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    refused.destroy();
    expect(port.bodies).toHaveLength(seen);
    await sleep(1_100);
    expect((await post('x')).status).toBe(202);
    for (const hog of hogs) hog.destroy();
  });

  it('survives a client that goes away before its answer', async () => {
    const { server, port, post } = await start();
    const waiting: Done[] = [];
    port.respond = (done) => waiting.push(done);
    const connection = await RawConnection.open(server.port);
    connection.write(`${head(2)}{}`);
    await until(() => waiting.length === 1, 'the body arrived');
    connection.destroy();
    await until(() => server.stats().http.aborted === 1, 'the abort was seen');
    waiting[0](accepted(1));
    port.respond = (done) => done(accepted(1));
    expect((await post('x')).status).toBe(202);
    expect(server.stats().http).toMatchObject({ inFlight: 0, responses: { 202: 1 } });
  });
});

describe('paths and methods', () => {
  it('answers 404 for an unknown path and says what there is', async () => {
    const { server } = await start();
    for (const path of ['/', '/ingest/x', '/INGEST', '/%00']) {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', body: '{}' });
      expect(response.status).toBe(404);
      expect((await problemOf(response)).detail).toContain('POST /ingest');
    }
  });

  it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'BREW'])('answers %s /ingest with 405 and Allow', async (method) => {
    const { url } = await start();
    const response = await fetch(url, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST, OPTIONS');
    expect((await problemOf(response)).detail).toContain(method);
  });

  it('answers OPTIONS with what is allowed', async () => {
    const { url } = await start();
    const response = await fetch(url, { method: 'OPTIONS' });
    expect(response.status).toBe(204);
    expect(response.headers.get('allow')).toBe('POST, OPTIONS');
  });
});

describe('size', () => {
  it('takes 16 MiB and refuses a byte more with 413, declared or chunked, and the connection stays usable', async () => {
    const { port, post } = await start();
    const most = Buffer.alloc(BODY_BYTES_MAX, 0x20);
    const more = Buffer.alloc(BODY_BYTES_MAX + 1, 0x20);
    const inChunks = (body: Buffer) =>
      new ReadableStream({
        start(controller) {
          for (let at = 0; at < body.length; at += 1_000_000) controller.enqueue(body.subarray(at, at + 1_000_000));
          controller.close();
        },
      });
    expect((await post(most)).status).toBe(202);
    expect((await post(inChunks(most))).status).toBe(202);
    expect(await problemOf(await post(more))).toMatchObject({ status: 413, code: 'body_too_large', bodyBytesMax: BODY_BYTES_MAX });
    expect(await problemOf(await post(inChunks(more)))).toMatchObject({ status: 413, code: 'body_too_large' });
    expect(port.bodies.map((body) => body.bytes)).toEqual([BODY_BYTES_MAX, BODY_BYTES_MAX]);
    expect((await post('x')).status).toBe(202);
  });

  it('hands over a body in many pieces as it was sent', async () => {
    const { port, server } = await start();
    let seen = Buffer.alloc(0);
    port.respond = (done, body) => {
      seen = Buffer.from(body);
      done(accepted(1));
    };
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
    const connection = await RawConnection.open(server.port);
    connection.write(head(body.length));
    for (let at = 0; at < body.length; at += 50_000) {
      connection.write(body.subarray(at, at + 50_000));
      await sleep(2);
    }
    expect((await connection.answer()).status).toBe(202);
    expect(seen.equals(body)).toBe(true);
    await until(() => server.stats().bodies.bufferedBytes === 0, 'the buffer was freed');
    connection.destroy();
  });

  it('cuts off a chunked sender that goes on for ever, holding none of it', async () => {
    const { server } = await start({ bodyBytesMax: 1_000 });
    const connection = await RawConnection.open(server.port);
    connection.write(head('chunked'));
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let i = 0; i < 2_000 && !connection.closed; i++) {
      connection.write(chunk);
      if (i % 20 === 0) {
        await sleep(1);
        expect(server.stats().bodies.bufferedBytes).toBe(0);
      }
    }
    await connection.untilClosed();
    expect(server.stats()).toMatchObject({ http: { inFlight: 0 }, bodies: { collecting: 0, tooLarge: 1 } });
  });

  it('closes the connection of a body declared far too long, after its 413', async () => {
    const { server } = await start();
    const connection = await RawConnection.open(server.port);
    connection.write(head(10_000_000_000));
    expect((await connection.answer()).status).toBe(413);
    await connection.untilClosed();
  });

  it('refuses with 429 when bodies in flight take all the memory for them, and takes bodies again when they are gone', async () => {
    const { server, post } = await start({ bufferedBytesMax: 100_000 });
    const hogs = await Promise.all([1, 2].map(() => RawConnection.open(server.port)));
    for (const hog of hogs) hog.write(head(60_000) + 'x'.repeat(40_000));
    const refused = await Promise.race(hogs.map((hog) => hog.answer()));
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(server.stats().bodies).toMatchObject({ overloaded: 1, collecting: 1 });
    for (const hog of hogs) hog.destroy();
    await until(() => server.stats().bodies.bufferedBytes === 0, 'the memory was freed');
    expect((await post('x'.repeat(50_000))).status).toBe(202);
  });
});

describe('gzip', () => {
  const gzip = { 'content-type': 'application/json', 'content-encoding': 'gzip' };

  it('inflates', async () => {
    const { port, post, server } = await start();
    expect((await post(gzipSync('[{"a":1}]'), gzip)).status).toBe(202);
    expect(port.bodies).toMatchObject([{ text: '[{"a":1}]' }]);
    expect(server.stats().bodies.bufferedBytes).toBe(0);
  });

  it('inflates bodies that came in pieces, though their memory goes to others meanwhile', async () => {
    const { server, port } = await start();
    const texts = Array.from({ length: 8 }, (_, n) => String(n).repeat(40).concat(Array.from({ length: 3_000 }, (_, k) => (k * k * (n + 1) * 7919) % 10_007).join(',')));
    const connections = await Promise.all(texts.map(() => RawConnection.open(server.port)));
    const bodies = texts.map((text) => gzipSync(text));
    // Many heads and beginnings first, then all ends in one go.
    bodies.forEach((body, n) => connections[n].write(Buffer.concat([Buffer.from(head(body.length, 'Content-Encoding: gzip\r\n')), body.subarray(0, 500)])));
    await until(() => server.stats().bodies.collecting === 8, 'all have begun');
    bodies.forEach((body, n) => connections[n].write(body.subarray(500)));
    const answers = await Promise.all(connections.map((connection) => connection.answer()));
    expect(answers.map(({ status }) => status)).toEqual(texts.map(() => 202));
    expect(port.bodies.map(({ text, bytes }) => `${text} ${bytes}`).sort()).toEqual(texts.map((text) => `${text.slice(0, 40)} ${text.length}`).sort());
    for (const connection of connections) connection.destroy();
  });

  it('refuses a bomb with 413 and takes exactly 16 MiB', async () => {
    const { port, post } = await start();
    expect(await problemOf(await post(gzipSync(Buffer.alloc(400 * 1024 * 1024)), gzip))).toMatchObject({ status: 413, code: 'body_too_large' });
    expect((await post(gzipSync(Buffer.alloc(BODY_BYTES_MAX)), gzip)).status).toBe(202);
    expect((await post(gzipSync(Buffer.alloc(BODY_BYTES_MAX + 1)), gzip)).status).toBe(413);
    expect(port.bodies).toMatchObject([{ bytes: BODY_BYTES_MAX }]);
  });

  it('refuses what is corrupt, cut off, empty or not gzip with 400', async () => {
    const { post, port } = await start();
    const good = gzipSync('[{"a":1}]'.repeat(100));
    const corrupt = Buffer.from(good);
    corrupt[good.length - 6] ^= 0xff;
    for (const body of [corrupt, good.subarray(0, -10), Buffer.alloc(0), Buffer.from('[{"a":1}]')]) {
      expect(await problemOf(await post(body, gzip))).toMatchObject({ status: 400, code: 'invalid_gzip' });
    }
    expect(port.bodies).toEqual([]);
  });

  it('inflates many at once, each answered', async () => {
    const { post } = await start();
    const body = gzipSync('x'.repeat(100_000));
    const statuses = await Promise.all(Array.from({ length: 100 }, async () => (await post(body, gzip)).status));
    expect(new Set(statuses)).toEqual(new Set([202]));
  });
});

describe('slow and broken senders', () => {
  it('answers 408 and closes when a body takes longer than its deadline', async () => {
    const { server, port } = await start({ bodyDeadlineMs: 300, windowMs: 60_000 });
    const connection = await RawConnection.open(server.port);
    connection.write(head(100));
    connection.write('x');
    const answer = await connection.answer();
    expect(answer).toMatchObject({ status: 408, headers: { connection: 'close' } });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'body_timeout' });
    await connection.untilClosed();
    expect(server.stats()).toMatchObject({ http: { inFlight: 0 }, bodies: { tooSlow: 1, collecting: 0, bufferedBytes: 0 } });
    expect(port.bodies).toEqual([]);
  });

  it('answers 408 to a sender that drips, and lets one that is merely long go on', async () => {
    const { server } = await start({ windowMs: 1_000, windowBytesMin: 1_000 });
    const [drip, steady] = await Promise.all([RawConnection.open(server.port), RawConnection.open(server.port)]);
    const steadyBytes = 20 * 2_000;
    drip.write(head(10_000));
    steady.write(head(steadyBytes));
    for (let i = 0; i < 20; i++) {
      drip.write('x');
      steady.write('x'.repeat(2_000));
      await sleep(100);
    }
    expect((await drip.answer()).status).toBe(408);
    expect((await steady.answer()).status).toBe(202);
    steady.destroy();
  });

  it('answers 408 to a sender that stops after a good start', async () => {
    const { server } = await start({ windowMs: 300, windowBytesMin: 1_000 });
    const connection = await RawConnection.open(server.port);
    connection.write(head(100_000) + 'x'.repeat(50_000));
    expect((await connection.answer()).status).toBe(408);
    await connection.untilClosed();
  });

  it('frees everything when a connection closes mid-body', async () => {
    const { server, port } = await start();
    const connection = await RawConnection.open(server.port);
    connection.write(head(1_000_000));
    connection.write('x'.repeat(200_000));
    await until(() => server.stats().bodies.bufferedBytes > 0, 'the body began');
    connection.destroy();
    await until(() => server.stats().bodies.bufferedBytes === 0, 'the buffer was freed');
    expect(server.stats()).toMatchObject({ http: { inFlight: 0, aborted: 1 }, bodies: { collecting: 0 } });
    expect(port.bodies).toEqual([]);
  });

  it('refuses a Content-Length that is no number and goes on serving', async () => {
    const { server, post } = await start();
    const connection = await RawConnection.open(server.port);
    connection.write(head('x' as unknown as number));
    expect((await connection.answer()).status).toBe(400);
    await connection.untilClosed();
    expect((await post('x')).status).toBe(202);
    expect(server.stats().http.inFlight).toBe(0);
  });

  it('hands an empty body on as empty', async () => {
    const { port, server } = await start();
    const connection = await RawConnection.open(server.port);
    connection.write('POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n');
    expect((await connection.answer()).status).toBe(202);
    expect(port.bodies).toMatchObject([{ bytes: 0 }]);
    connection.destroy();
  });

  it('serves a thousand connections at once', async () => {
    const { server } = await start();
    const connections = await Promise.all(Array.from({ length: 1_000 }, () => RawConnection.open(server.port)));
    for (const connection of connections) connection.write(`${head(2)}{}`);
    const answers = await Promise.all(connections.map((connection) => connection.answer()));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
    for (const connection of connections) connection.destroy();
    expect(server.stats().http).toMatchObject({ inFlight: 0, responses: { 202: 1_000 } });
  });
});

describe('port and close', () => {
  it('says which setting to change when the port is taken', async () => {
    const { server } = await start();
    await expect(start({}, { port: server.port })).rejects.toMatchObject({ code: 'port_in_use', message: expect.stringContaining('SEG_INGEST_PORT') });
  });

  it('shares a port between threads when told to', async () => {
    const port = await freePort();
    for (let i = 0; i < 2; i++) {
      const { server } = await start({}, { port, exclusivePort: false });
      expect(server.port).toBe(port);
    }
  });

  it('answers what is in flight before it closes, and refuses new requests meanwhile', async () => {
    const { server, port, post } = await start();
    const waiting: Done[] = [];
    port.respond = (done) => waiting.push(done);
    const idle = await RawConnection.open(server.port);
    const inFlight = post('x');
    await until(() => waiting.length === 1, 'the request arrived');
    const closing = server.close(5_000);
    await expect(RawConnection.open(server.port)).rejects.toThrow();
    idle.write(`${head(2)}{}`);
    expect(await idle.answer()).toMatchObject({ status: 503, headers: { connection: 'close', 'retry-after': '1' } });
    waiting[0](accepted(1));
    expect((await inFlight).status).toBe(202);
    expect(await closing).toBe(0);
  });

  it('cuts off what is still in flight at the limit', async () => {
    const { server, port } = await start();
    const waiting: Done[] = [];
    port.respond = (done) => waiting.push(done);
    const connection = await RawConnection.open(server.port);
    connection.write(`${head(2)}{}`);
    await until(() => waiting.length === 1, 'the request arrived');
    expect(await server.close(50)).toBe(1);
    await connection.untilClosed();
    waiting[0](accepted(1));
  });
});
