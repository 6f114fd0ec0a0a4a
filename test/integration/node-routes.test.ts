import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Packr } from 'msgpackr';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import { NodeClient } from '../../src/engine/node-client.ts';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { ASK_PATH, REPORTS_PATH, SECRET_HEADER, type NodePort, type NodeQuestion } from '../../src/http/node-port.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { fakeEngine } from '../support/fake-engine.ts';

const SECRET = 'between the nodes';
const PART: RegionPart = { region: 'north', granularity: '1m', windowStart: 1_767_000_000_000, meters: 3, powerHigh: 12_345, powerLow: -7, energyHigh: 2 ** 52 + 1, energyLow: 0.5, minPowerKw: Infinity, maxPowerKw: -0.1, changes: 4 };
const QUESTIONS: NodeQuestion[] = [{ query: { kind: 'regionParts', region: 'north', granularity: '1m', from: 0, to: 1e13, limit: 3, withOpen: false }, partitions: [0, 5] }];

let gateway: Gateway;
let url: string;
let port: NodePort;
let asked: unknown[];
const client = new NodeClient({ secret: SECRET, deadlineMs: 1_000 });

beforeAll(async () => {
  const now: NodePort = { ask: (questions) => port.ask(questions), reports: (since) => port.reports(since) };
  gateway = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't', nodes: { port: now, secret: SECRET } }, { engine: fakeEngine(), clock: systemClock, timers: systemTimers, log: nullLog });
  url = `http://127.0.0.1:${gateway.port}`;
});

beforeEach(() => {
  asked = [];
  port = {
    async ask(questions) {
      asked.push(questions);
      return [{ ok: [PART] }, { failed: { code: 'unavailable', message: 'it moves', retryable: true } }];
    },
    reports(since) {
      asked.push(since);
      return { position: { life: 'x', at: 3 }, isGap: true, live: [], changes: [{ partition: 1, parts: [PART], anomalies: [] }] };
    },
  };
});

afterAll(async () => {
  client.close();
  await gateway.close(1_000);
});

function postAs(headers: Record<string, string>, path: string, body: unknown): Promise<Response> {
  return fetch(url + path, { method: 'POST', headers, body: new Uint8Array(new Packr({ useRecords: false }).pack(body)) });
}

describe('nodes that share a secret', () => {
  test('ask each other, and every number comes as it was', async () => {
    expect(await client.ask(url, QUESTIONS)).toEqual([{ ok: [PART] }, { failed: { code: 'unavailable', message: 'it moves', retryable: true } }]);
    expect(asked).toEqual([QUESTIONS]);
  });

  test('have a question\'s bytes to themselves, in no more memory than they need', async () => {
    const planOf = new Uint8Array(1_000).fill(5);
    // More than one chunk, so that it is put together in a body's buffer.
    const padding = new Uint8Array(100_000);
    const question = { query: { kind: 'regionParts', planOf, padding }, partitions: [0] };
    const packed = new Packr({ useRecords: false }).pack({ questions: [question] });
    const body = new ReadableStream({
      async start(controller) {
        for (let at = 0; at < packed.length; at += 40_000) {
          controller.enqueue(packed.subarray(at, at + 40_000));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        controller.close();
      },
    });
    const response = await fetch(url + ASK_PATH, { method: 'POST', headers: { [SECRET_HEADER]: SECRET }, body, duplex: 'half' } as RequestInit);
    expect(response.status).toBe(200);
    const [[{ query }]] = asked as [[{ query: { planOf: Uint8Array } }]];
    expect(query.planOf.every((byte) => byte === 5)).toBe(true);
    // Handed to another thread it takes its whole buffer along.
    expect(query.planOf.buffer.byteLength).toBeLessThan(2 * packed.length);
  });

  test('hear what others report', async () => {
    expect(await client.reports(url, null)).toEqual({ position: { life: 'x', at: 3 }, isGap: true, live: [], changes: [{ partition: 1, parts: [PART], anomalies: [] }] });
    await client.reports(url, { life: 'x', at: 3 });
    expect(asked).toEqual([null, { life: 'x', at: 3 }]);
  });

  test('are told to try again when the other is away, slow or breaks', async () => {
    await expect(client.ask('http://127.0.0.1:9', QUESTIONS)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    port.ask = () => new Promise(() => {});
    const hasty = new NodeClient({ secret: SECRET, deadlineMs: 50 });
    await expect(hasty.ask(url, QUESTIONS)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    hasty.close();
    port.ask = () => Promise.reject(new Error('broken'));
    await expect(client.ask(url, QUESTIONS)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  });
});

describe('who does not', () => {
  test.each([ASK_PATH, REPORTS_PATH])('is refused at %s', async (path) => {
    for (const headers of [{}, { [SECRET_HEADER]: '' }, { [SECRET_HEADER]: 'guess' }] as Record<string, string>[]) {
      const response = await postAs(headers, path, { questions: QUESTIONS, since: null });
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([403, 'not_a_node']);
    }
    const wrong = new NodeClient({ secret: 'guess', deadlineMs: 1_000 });
    await expect(wrong.ask(url, QUESTIONS)).rejects.toMatchObject({ code: 'unavailable' });
    wrong.close();
    expect(asked).toEqual([]);
  });

  test.each([
    ['a question that moves a consumer', { questions: [{ query: { kind: 'acknowledgeEffects', consumer: 'kafka', position: '1' }, partitions: [0] }] }],
    ['no partitions', { questions: [{ query: { kind: 'meter', meterId: 'm1' } }] }],
    ['nothing', null],
  ])('is told when it asks %s', async (_what, body) => {
    const response = await postAs({ [SECRET_HEADER]: SECRET }, ASK_PATH, body);
    expect(response.status).toBe(400);
    expect(asked).toEqual([]);
  });

  test('gets no page for it, and a gateway without nodes has no such path', async () => {
    expect((await fetch(url + ASK_PATH)).status).toBe(405);
    const alone = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't' }, { engine: fakeEngine(), clock: systemClock, timers: systemTimers, log: nullLog });
    expect((await fetch(`http://127.0.0.1:${alone.port}${ASK_PATH}`, { method: 'POST', body: 'x' })).status).toBe(404);
    await alone.close(1_000);
  });
});
