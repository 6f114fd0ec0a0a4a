import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { EngineProcess } from '../support/engine-process.ts';

/** What no client would send, at the three ports of a real engine: whatever comes of it, a front and the engine never disagree where a request ends, and others are served. */

let engine: EngineProcess;

beforeAll(async () => {
  engine = await EngineProcess.start({ settings: { SHARDS: '1' } });
});

afterEach(async () => {
  // Nobody else has noticed.
  expect((await fetch(engine.opsUrl('/health'))).status).toBe(200);
  expect((await fetch(engine.apiUrl('/api/v1/regions'))).status).toBe(200);
  expect(engine.exitCode).toBeNull();
  expect(engine.lines.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
});

afterAll(() => engine.dispose());

interface Heard {
  /** Status of every answer, in order. */
  statuses: number[];
  text: string;
  isClosed: boolean;
}

/** Sends the bytes and listens until the connection ends, or for so long. */
async function exchange(port: number, bytes: string | Buffer, listenMs = 300, frames?: Buffer): Promise<Heard> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  let isClosed = false;
  socket.on('error', () => undefined).on('data', (chunk) => (text += chunk.toString('latin1'))).on('close', () => (isClosed = true));
  await once(socket, 'connect');
  socket.write(bytes);
  if (frames !== undefined) {
    // uWebSockets drops what comes in the packet of the upgrade.
    await once(socket, 'data');
    socket.write(frames);
  }
  const end = Date.now() + listenMs;
  while (!isClosed && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  socket.destroy();
  return { statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status)), text, isClosed };
}

const BODY = '{"ids":[],"by":"Ada"}';
const POST = `POST /api/v1/alerts/resolve HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
/** What a front that ends the body elsewhere would take for a part of the first, and the engine for a request. */
const SMUGGLED = 'GET /api/v1/engine HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: 1\r\n\r\n';

// First, as uWebSockets waits some ten seconds for it, and the others need less together.
describe.concurrent('a head that does not end', () => {
  test('and comes a byte at a time is cut off, and others are served meanwhile', { timeout: 30_000 }, async () => {
    const socket = connect(engine.ports.http, '127.0.0.1');
    let isClosed = false;
    socket.on('error', () => undefined).on('data', () => undefined).on('close', () => (isClosed = true));
    socket.write('GET /api/v1/engine HTTP/1.1\r\nX-Slow: ');
    const begun = Date.now();
    while (!isClosed && Date.now() - begun < 25_000) {
      socket.write('x');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(isClosed).toBe(true);
  });
});

describe.concurrent('a request of which two readers may think differently where it ends', () => {
  test.each([
    ['two lengths', `${POST}Content-Length: ${BODY.length}\r\nContent-Length: ${BODY.length + SMUGGLED.length}\r\n\r\n${BODY}${SMUGGLED}`],
    ['the larger length first', `${POST}Content-Length: ${BODY.length + SMUGGLED.length}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}${SMUGGLED}`],
    ['a list of lengths', `${POST}Content-Length: ${BODY.length}, ${BODY.length}\r\n\r\n${BODY}${SMUGGLED}`],
    ['a length and chunks', `${POST}Content-Length: ${SMUGGLED.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['chunks and a length', `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['chunks inside another coding', `${POST}Transfer-Encoding: identity, chunked\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`],
    ['a coding nobody knows', `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['a space before the colon', `${POST}Content-Length : ${BODY.length + SMUGGLED.length}\r\n\r\n${BODY}${SMUGGLED}`],
    ['a tab before the colon', `${POST}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['a folded line', `${POST}Content-Length: 0\r\n ${BODY.length}\r\n\r\n${SMUGGLED}`],
    ['a folded coding', `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['a bare line feed', `${POST}X: y\nContent-Length: 0\r\n\r\n${SMUGGLED}`],
    ['bare line feeds alone', `${POST.replaceAll('\r\n', '\n')}Content-Length: 0\n\n${SMUGGLED}`],
    ['a bare carriage return', `${POST}X: y\rContent-Length: 0\r\n\r\n${SMUGGLED}`],
    ['a length with a sign', `${POST}Content-Length: +${BODY.length}\r\n\r\n${BODY}${SMUGGLED}`],
    ['a negative length', `${POST}Content-Length: -1\r\n\r\n${SMUGGLED}`],
    ['a length in hexadecimal', `${POST}Content-Length: 0x0\r\n\r\n${SMUGGLED}`],
    ['a length past every number', `${POST}Content-Length: 99999999999999999999\r\n\r\n${BODY}${SMUGGLED}`],
    ['a chunk of no number', `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk past every number', `${POST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk longer than it says', `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`],
  ])('%s is refused, and what follows is not read as a request', async (_, bytes) => {
    const { statuses, text, isClosed } = await exchange(engine.ports.http, bytes);
    expect(statuses.filter((status) => status < 400), text).toEqual([]);
    expect(statuses.length).toBeLessThanOrEqual(1);
    // Where nothing was said, uWebSockets waits for the end of a head that has none, and cuts it off as a slow one.
    expect(isClosed || statuses.length === 0, text).toBe(true);
  });
});

describe.concurrent('a head', () => {
  test.each([
    ['NUL in the address', 'GET /api/v1/\0engine HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['NUL in a field', 'GET /api/v1/engine HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n'],
    ['NUL in the name of a field', 'GET /api/v1/engine HTTP/1.1\r\nHost: localhost\r\nX\0A: b\r\n\r\n'],
    ['a control character in a field', 'GET /api/v1/engine HTTP/1.1\r\nHost: localhost\r\nX-A: a\x01b\r\n\r\n'],
    ['no host', 'GET /api/v1/engine HTTP/1.1\r\n\r\n'],
    ['no version', 'GET /api/v1/engine\r\nHost: localhost\r\n\r\n'],
    ['a version of tomorrow', 'GET /api/v1/engine HTTP/3.0\r\nHost: localhost\r\n\r\n'],
    ['a field without a colon', 'GET /api/v1/engine HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n'],
    ['a handshake of TLS', Buffer.from('16030100a5010000a10303', 'hex')],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('with %s gets no answer but a refusal', async (_, bytes) => {
    for (const port of [engine.ports.http, engine.ports.ingest, engine.ports.ops]) {
      const { statuses, text } = await exchange(port, bytes, 100);
      expect(statuses.filter((status) => status < 400), text).toEqual([]);
    }
  });

  test('of 64 KiB, and of ten thousand fields, is refused with 431', async () => {
    for (const fields of [`X-Large: ${'x'.repeat(65_536)}\r\n`, Array.from({ length: 10_000 }, (_, i) => `X-${i}: y\r\n`).join('')]) {
      for (const port of [engine.ports.http, engine.ports.ingest, engine.ports.ops]) {
        const { statuses, isClosed } = await exchange(port, `GET / HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`, 1_000);
        expect([statuses, isClosed]).toEqual([[431], true]);
      }
    }
  });

  test('that says twice how long its body is hears why, at every port and on paths that are none', async () => {
    for (const port of [engine.ports.http, engine.ports.ingest, engine.ports.ops]) {
      for (const path of ['/ingest', '/api/v1/engine', '/health', '/nothing']) {
        const { statuses, text, isClosed } = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n`);
        expect([statuses, isClosed], path).toEqual([[400], true]);
        expect(text).toContain('malformed_head');
      }
    }
  });

  test('with a target of another kind is none', async () => {
    for (const target of ['*', '//evil.example/', 'http://evil.example/api/v1/engine', '/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/%00', '/%', '/api/v1/meters/%ff', '/api/v1/meters/%c0%ae', `/${'a'.repeat(4_000)}`]) {
      const { statuses, text } = await exchange(engine.ports.http, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 60);
      expect(statuses.filter((status) => status < 400 || status === 500), `${target} ${text}`).toEqual([]);
      expect(text).not.toContain('root:');
    }
  });
});

describe.concurrent('requests in one packet', () => {
  test('are answered each, in order', async () => {
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const { statuses } = await exchange(engine.ports.http, `${get('/api/v1/regions')}${get('/nothing')}${get('/api/v1/regions')}`);
    expect(statuses).toEqual([200, 404, 200]);
  });
});

// WebSocket frames ------------------------------------------------------------------------------------------------------------

const UPGRADE = 'GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

/** `first`: the byte with FIN, reserved bits and opcode; masked with zeros. */
function frame(first: number, payload: Buffer | string, { masked = true, length }: { masked?: boolean; length?: number | bigint } = {}): Buffer {
  const bytes = Buffer.from(payload);
  const mask = masked ? 0x80 : 0;
  const said = length ?? bytes.length;
  let head: Buffer;
  if (typeof said === 'bigint' || said > 0xffff) {
    head = Buffer.alloc(10);
    head.writeUInt8(first, 0);
    head.writeUInt8(mask | 127, 1);
    head.writeBigUInt64BE(BigInt(said), 2);
  } else head = said < 126 ? Buffer.from([first, mask | said]) : Buffer.from([first, mask | 126, said >> 8, said & 0xff]);
  return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), bytes]);
}

describe.concurrent('a WebSocket', () => {
  test.each<[string, Buffer]>([
    ['a message larger than allowed', frame(0x81, 'x'.repeat(5_000))],
    ['a frame that says it is larger than everything', frame(0x81, 'x', { length: 2n ** 63n - 1n })],
    ['a frame with a length of 64 bits, the highest set', frame(0x81, 'x', { length: 2n ** 64n - 1n })],
    ['pieces without an end', Buffer.concat([frame(0x01, 'x'.repeat(1_000)), ...Array.from({ length: 10 }, () => frame(0x00, 'x'.repeat(1_000)))])],
    ['a reserved bit', frame(0xc1, '{}')],
    ['another reserved bit', frame(0xa1, '{}')],
    ['an opcode that is none', frame(0x83, '{}')],
    ['bytes that are no UTF-8', frame(0x81, Buffer.from([0xc0, 0xaf]))],
    ['half of a surrogate', frame(0x81, Buffer.from([0xed, 0xa0, 0x80]))],
    ['a piece of a message that was not begun', frame(0x80, '{}')],
    ['a message within a message', Buffer.concat([frame(0x01, '{'), frame(0x81, '{}')])],
    ['a ping larger than pings are', frame(0x89, 'x'.repeat(126))],
    ['a ping in pieces', frame(0x09, 'x')],
    ['a close of one byte', frame(0x88, 'x')],
    ['a close with a code that nobody may send', frame(0x88, Buffer.from([0x03, 0xed]))],
    ['a binary message', frame(0x82, '{}')],
  ])('with %s is closed', async (_, bytes) => {
    const { isClosed, text } = await exchange(engine.ports.http, UPGRADE, 2_000, bytes);
    expect(text).toMatch(/^HTTP\/1\.1 101/);
    expect(isClosed).toBe(true);
  });

  test('with a frame that is not masked never has it taken', async () => {
    const { text } = await exchange(engine.ports.http, UPGRADE, 500, frame(0x81, '{"type":"subscribe","channels":["regions"]}', { masked: false }));
    expect(text).not.toContain('snapshot');
  });

  test('with words that are none of the protocol hears so, whatever they are', async () => {
    const words = ['null', '[]', '{"type":"__proto__"}', '{"type":"subscribe","channels":[{"name":"__proto__"}]}', '{"type":"subscribe","channels":"regions"}', '{"type":"subscribe","channels":[{"name":"regions","after":1e999}]}', `${'['.repeat(2_000)}`, '{"type":"subscribe","channels":["region:<script>alert(1)</script>"]}'];
    for (const word of words) {
      const { text } = await exchange(engine.ports.http, UPGRADE, 300, frame(0x81, word));
      expect(text, word).toMatch(/"error"|not JSON/);
      expect(text).not.toMatch(/TypeError|\n\s+at /);
    }
  });

  test.each([
    ['without a key', UPGRADE.replace(/Sec-WebSocket-Key.*?\r\n/, '')],
    ['with a key of another length', UPGRADE.replace('dGhlIHNhbXBsZSBub25jZQ==', 'x')],
    ['of another version', UPGRADE.replace('Version: 13', 'Version: 7')],
    ['from a page of another site', UPGRADE.replace('\r\n\r\n', '\r\nOrigin: https://evil.example\r\n\r\n')],
    ['at a name that is not its own', UPGRADE.replace('Host: localhost', 'Host: evil.example')],
  ])('%s is not opened', async (_, bytes) => {
    expect((await exchange(engine.ports.http, bytes)).text).not.toMatch(/^HTTP\/1\.1 101/);
  });
});
