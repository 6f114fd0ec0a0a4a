import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { ALERT, fakeAlerts, SILENCE, type FakeAlerts } from '../support/fake-alerts.ts';
import { AT, fakeEngine } from '../support/fake-engine.ts';

/** What the page writes, through its own api.js, to a real gateway over a network that loses answers. The page is JavaScript without declarations, hence the dynamic import. */
const { deleteJson, postJson } = await import(new URL('../../web/api.js', import.meta.url).href);

const NOW = AT + 1_000;
const WISHED = { match: { regions: ['north'] }, endsAt: new Date(NOW + 3_600_000).toISOString(), comment: 'works on the line', by: 'Ada' };
const overTheNetwork = globalThis.fetch;

let alerts: FakeAlerts;
let gateway: Gateway;
/** What becomes of a request: the answer, or that nothing comes back. */
let network: (answered: () => Promise<Response>) => Promise<Response>;

const wellAgain = (answered: () => Promise<Response>): Promise<Response> => answered();
const answerLost = async (answered: () => Promise<Response>): Promise<Response> => {
  await answered();
  throw new TypeError('Failed to fetch');
};
const done = (kind: string): number => alerts.asked.filter((asked) => asked.kind === kind).length;

beforeAll(async () => {
  const alertsNow = new Proxy({} as FakeAlerts, { get: (_, name) => alerts[name as keyof FakeAlerts] });
  const options = { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 'test' };
  gateway = await startGateway(options, { engine: fakeEngine(), alerts: alertsNow, clock: { ...systemClock, now: () => NOW }, timers: systemTimers, log: nullLog });
});
afterAll(() => gateway.close(1_000));
beforeEach(() => {
  [alerts, network] = [fakeAlerts(), wellAgain];
  vi.stubGlobal('fetch', (address: string, request: RequestInit) => network(() => overTheNetwork(`http://127.0.0.1:${gateway.port}${address}`, request)));
});
afterEach(() => void vi.unstubAllGlobals());

describe('a write whose answer was lost', () => {
  test('is done once, and its second try hears what came of the first', async () => {
    let made = 0;
    alerts.answers.makeSilence = ({ silence }) => ({ ...fakeAlerts().answers.makeSilence({ kind: 'makeSilence', silence }), id: `silence-${++made}` });
    network = answerLost;
    await expect(postJson('/silences', WISHED, null)).rejects.toThrow('The gateway does not answer.');
    network = wellAgain;
    expect(await postJson('/silences', WISHED, null)).toMatchObject({ id: 'silence-1', comment: 'works on the line' });
    expect(done('makeSilence')).toBe(1);
    // The same once more, on purpose.
    expect(await postJson('/silences', WISHED, null)).toMatchObject({ id: 'silence-2' });
  });

  test('is not refused for the version that it made itself', async () => {
    alerts.answers.acknowledge = ({ by, why, version }) => {
      if (done('acknowledge') > 1) throw new OperationalError('stale_version', `it is another one than ${version} by now`);
      return { ...ALERT, version: 8, state: 'acknowledged', acknowledged: { at: AT, by, why } };
    };
    const acknowledge = () => postJson(`/alerts/${ALERT.id}/acknowledge`, { by: 'Ada', why: null }, 7);
    network = answerLost;
    await expect(acknowledge()).rejects.toThrow('The gateway does not answer.');
    network = wellAgain;
    expect(await acknowledge()).toMatchObject({ version: 8, state: 'acknowledged' });
  });

  test('is done once where it has no body, too', async () => {
    network = answerLost;
    await expect(deleteJson(`/silences/${SILENCE.id}`, { by: 'Ada' })).rejects.toThrow('The gateway does not answer.');
    network = wellAgain;
    await deleteJson(`/silences/${SILENCE.id}`, { by: 'Ada' });
    expect(done('endSilence')).toBe(1);
  });

  test('and is still being done hears so, and later what came of it', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { ask } = alerts;
    const begun = new Promise<void>((resolve) => {
      alerts.ask = (async (question: never) => (resolve(), await held, ask(question))) as never;
    });
    const first = postJson('/silences', WISHED, null);
    await begun;
    await expect(postJson('/silences', WISHED, null)).rejects.toMatchObject({ code: 'request_under_way' });
    release();
    expect([await first, done('makeSilence')]).toEqual([expect.objectContaining({ id: 'new/1' }), 1]);
  });
});

describe('a write that was refused', () => {
  test('is judged anew when it is sent again', async () => {
    const { makeSilence } = alerts.answers;
    alerts.answers.makeSilence = (): never => {
      throw new OperationalError('too_many_silences', 'there are as many as there can be');
    };
    await expect(postJson('/silences', WISHED, null)).rejects.toMatchObject({ code: 'too_many_silences' });
    alerts.answers.makeSilence = makeSilence;
    expect(await postJson('/silences', WISHED, null)).toMatchObject({ id: 'new/1' });
  });

  test('because the engine was away is done by the next try', async () => {
    const { makeSilence } = alerts.answers;
    alerts.answers.makeSilence = (): never => {
      throw new OperationalError('unavailable', 'away', { retryable: true });
    };
    await expect(postJson('/silences', WISHED, null)).rejects.toMatchObject({ status: 503 });
    alerts.answers.makeSilence = makeSilence;
    expect(await postJson('/silences', WISHED, null)).toMatchObject({ id: 'new/1' });
  });
});
