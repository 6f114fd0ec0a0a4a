import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Principal } from '../../src/model/access.ts';
import { OPEN_PRINCIPAL } from '../../src/model/access.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { RegionId } from '../../src/model/ids.ts';
import { alertShape } from '../../src/http/alert-shapes.ts';
import { priceShape } from '../../src/http/billing-shapes.ts';
import { regionWindowShape } from '../../src/http/energy-shapes.ts';
import { curveWindowShape } from '../../src/http/live-shapes.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { examplePrice } from '../support/example-bills.ts';
import { FakeGrid } from '../support/fake-grid.ts';
import { LIMITS, LiveWorld, LiveWorldClient, sorted, stateOf } from '../support/live-world.ts';

/** Whatever changes, whoever reads slowly, is cut off, comes back and has other rights: in the end everybody has what the source has of what is theirs, and never had to ask for what they missed. */

const SEED = 20261127;
const NOW_MS = Date.parse('2026-03-02T21:14:30.000Z');
const REGIONS = ['region-01', 'region-02', 'region-03'];
const CLIENTS = 4;
const ALERTS_MAX = 150;
const MINUTES = 8;

/** Which regions somebody has; null: all. */
const rights = fc.option(fc.subarray(REGIONS, { minLength: 1 }), { nil: null });
const client = fc.integer({ min: 0, max: CLIENTS - 1 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('load' as const), region: fc.constantFrom(...REGIONS), value: fc.integer({ min: 0, max: 99 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('window' as const), region: fc.constantFrom(...REGIONS), minute: fc.integer({ min: 0, max: MINUTES - 1 }), value: fc.integer({ min: 0, max: 99 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('alert' as const), id: fc.integer({ min: 0, max: 9 }), region: fc.constantFrom(...REGIONS, null), isOver: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('storm' as const), count: fc.integer({ min: 0, max: ALERTS_MAX }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('price' as const), region: fc.constantFrom(...REGIONS), value: fc.integer({ min: 10, max: 99 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 40_000 })) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), client, most: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reading' as const), client, on: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('drop' as const), client }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('connect' as const), client }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('ask' as const), client }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rights' as const), client, rights }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), firstSeq: fc.integer({ min: 0, max: 1_000_000 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const CHANNELS = ['regions', 'windows', 'alerts', 'prices', 'region:region-02', 'windows:region-02'];

function principal(index: number, regions: readonly string[] | null): Principal {
  if (regions === null) return { ...OPEN_PRINCIPAL, id: `p${index}` };
  return { kind: 'user', id: `p${index}`, name: '', role: 'operator', meters: new Map(), regions: new Set(regions as RegionId[]), sessionId: 's' };
}

/** A small grid that tells of every change. */
class Source extends FakeGrid {
  constructor() {
    super(NOW_MS);
    this.regionsNow = this.regionsNow.slice(0, REGIONS.length);
    this.windows = this.windows.filter(({ region, windowStart }) => REGIONS.includes(region) && windowStart > NOW_MS - MINUTES * 60_000);
    this.alertList = [];
    this.priceList = REGIONS.map((region) => examplePrice({ region }));
  }

  setWindow(region: string, minute: number, sumPowerKw: number): void {
    const at = this.windows.findIndex((window) => window.region === region) + minute;
    const window = { ...this.windows[at], sumPowerKw };
    this.windows = this.windows.with(at, window);
    this.regionListeners.tell({ regions: [], windows: [window] });
    if (window.final) this.closedListeners.tell([window]);
  }

  setPrice(region: string, price: string): void {
    const changed = examplePrice({ region, price });
    this.priceList = this.priceList.map((one) => (one.region === region ? changed : one));
    this.priceListeners.tell([changed]);
  }
}

/** What somebody with these rights has of a channel, made from the source alone. */
function expected(source: Source, channel: string, regions: readonly string[] | null): Record<string, any[]> | null {
  const only = channel.split(':')[1];
  const has = (region: string | null): boolean => (only === undefined || region === only) && (regions === null || (region !== null && regions.includes(region)));
  if (only !== undefined && !has(only)) return null;
  switch (channel.split(':')[0]) {
    case 'regions':
    case 'region':
      return { regions: sorted(source.regionsNow.filter(({ region }) => has(region))), windows: sorted(source.windows.filter(({ region }) => has(region)).map(curveWindowShape)) };
    case 'windows':
      return { windows: sorted(source.closedWindows().filter(({ region }) => has(region)).map(regionWindowShape)) };
    case 'alerts':
      return { alerts: sorted(source.alertList.filter(({ region }) => has(region)).map(alertShape)) };
    default:
      return { prices: sorted(source.priceList.map(priceShape)) };
  }
}

function run(steps: readonly Step[], beginning: readonly (readonly string[] | null)[], changesMax: number): { clients: LiveWorldClient[]; source: Source; has: (readonly string[] | null)[] } {
  const source = new Source();
  const limits = { changesMax };
  let world = new LiveWorld(source, 5_000, limits);
  const has = [...beginning];
  const clients = beginning.map(() => new LiveWorldClient(CHANNELS));
  const connect = (index: number): void => {
    if (!clients[index].isConnected) clients[index].connect(world.hub, principal(index, has[index]));
  };
  const alertOf = (id: string, region: string | null, state: Alert['state']): Alert => exampleAlert({ id, region, state, openedAt: NOW_MS });
  let stormed = 0;
  beginning.forEach((_, index) => connect(index));
  for (const one of steps) {
    switch (one.do) {
      case 'load':
        source.setLoad(one.region, one.value);
        break;
      case 'window':
        source.setWindow(one.region, one.minute, one.value);
        break;
      case 'alert':
        source.tellAlerts(alertOf(`a${one.id}-${one.region}`, one.region, one.isOver ? 'resolved' : 'open'));
        break;
      case 'storm':
        stormed++;
        source.tellAlerts(
          ...source.alertList.filter(({ id }) => id.startsWith('storm')).map((alert) => ({ ...alert, state: 'resolved' as const })),
          ...Array.from({ length: one.count }, (_, i) => alertOf(`storm${stormed}-${i}`, REGIONS[i % REGIONS.length], 'open')),
        );
        break;
      case 'price':
        source.setPrice(one.region, `0.${one.value}`);
        break;
      case 'pass':
        world.time.advance(one.ms);
        for (const each of clients) each.read(world.hub);
        break;
      case 'read':
        clients[one.client].isReading = true;
        clients[one.client].read(world.hub, one.most);
        clients[one.client].isReading = false;
        break;
      case 'reading':
        clients[one.client].isReading = one.on;
        break;
      case 'drop':
        clients[one.client].drop(world.hub);
        break;
      case 'connect':
        connect(one.client);
        break;
      case 'ask':
        clients[one.client].ask(world.hub);
        break;
      case 'rights':
        has[one.client] = one.rights;
        world.hub.principalChanged(`p${one.client}`, null, principal(one.client, one.rights));
        break;
      case 'restart':
        world.hub.close();
        for (const each of clients) each.drop(world.hub);
        world = new LiveWorld(source, one.firstSeq, limits);
        break;
    }
  }
  clients.forEach((each, index) => {
    each.isReading = true;
    connect(index);
    // Who was refused a channel asks for it again, as a page does that knows of its new rights.
    each.read(world.hub);
    each.ask(world.hub);
  });
  for (let i = 0; i < 4; i++) {
    world.time.advance(500);
    for (const each of clients) each.read(world.hub);
  }
  world.hub.close();
  return { clients, source, has };
}

test.each([8_192, 5])('every client ends with what the source has for it, with %i changes kept', (changesMax) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.array(rights, { minLength: CLIENTS, maxLength: CLIENTS }), (steps, beginning) => {
      const { clients, source, has } = run(steps, beginning, changesMax);
      clients.forEach((each, index) => {
        for (const channel of CHANNELS) {
          const wanted = expected(source, channel, has[index]);
          if (wanted === null) expect(each.places.has(channel)).toBe(false);
          else expect([index, channel, stateOf(each, channel)]).toEqual([index, channel, wanted]);
        }
        expect(each.gaps).toBe(0);
      });
    }),
    { numRuns: 150, seed: SEED },
  );
});

test('what changes while very many are served is at all of them within a round, whoever had their turn before it', () => {
  const changing = fc.oneof(
    fc.record({ do: fc.constant('load' as const), region: fc.constantFrom(...REGIONS), value: fc.integer({ min: 0, max: 99 }) }),
    fc.record({ do: fc.constant('window' as const), region: fc.constantFrom(...REGIONS), value: fc.integer({ min: 0, max: 99 }) }),
    fc.record({ do: fc.constant('price' as const), region: fc.constantFrom(...REGIONS), value: fc.integer({ min: 10, max: 99 }) }),
  );
  const crowd = 80;
  const channels = ['regions', 'prices', 'region:region-02'];
  fc.assert(
    // A round of 80 readers with two or three channels each takes 160 to 300 turns of the event loop here: a change comes after so many of them.
    fc.property(fc.array(fc.record({ change: changing, turns: fc.integer({ min: 0, max: 20 }) }), { minLength: 1, maxLength: 12 }), fc.array(rights, { minLength: 4, maxLength: 4 }), (changes, has) => {
      const source = new Source();
      const world = new LiveWorld(source, 5_000, {}, 1);
      const clients = Array.from({ length: crowd }, () => new LiveWorldClient(channels));
      clients.forEach((client, i) => client.connect(world.hub, principal(i, has[i % has.length])));
      const left = [...changes];
      const next = (turns: number): void => {
        if (turns > 0) {
          world.time.after(0, () => next(turns - 1));
          return;
        }
        const one = left.shift();
        if (one === undefined) return;
        if (one.change.do === 'load') source.setLoad(one.change.region, one.change.value);
        else if (one.change.do === 'window') source.setWindow(one.change.region, MINUTES - 1, one.change.value);
        else source.setPrice(one.change.region, `0.${one.change.value}`);
        next(one.turns);
      };
      next(changes[0].turns);
      // All rounds run in the same moment of virtual time, but for a third in a row: of one more there is no need.
      world.time.advance(0);
      world.time.advance(LIMITS.turnMs);
      for (const client of clients) client.read(world.hub);
      clients.forEach((client, i) => {
        for (const channel of channels) {
          const wanted = expected(source, channel, has[i % has.length]);
          if (wanted !== null) expect([i, channel, stateOf(client, channel)]).toEqual([i, channel, wanted]);
        }
        expect(client.gaps).toBe(0);
      });
      world.hub.close();
    }),
    { numRuns: 60, seed: SEED },
  );
});

test('of several channels a reader gets what changed in one piece', () => {
  const source = new Source();
  const { hub, time } = new LiveWorld(source, 5_000, { softBufferBytes: 1_000_000, hardBufferBytes: 1_000_000 });
  const client = new LiveWorldClient(['regions', 'alerts', 'prices']);
  client.connect(hub, OPEN_PRINCIPAL);
  expect(client.pieces).toBe(1);
  source.setLoad('region-01', 7);
  time.advance(500);
  expect(client.pieces).toBe(1);
  source.setLoad('region-01', 8);
  source.setPrice('region-01', '0.77');
  time.advance(500);
  client.read(hub);
  expect(client.pieces).toBe(2);
  expect(stateOf(client, 'prices').prices).toEqual(sorted(source.priceList.map(priceShape)));
});

test('who was away a moment gets the changes and no snapshot', () => {
  const source = new Source();
  const { hub, time } = new LiveWorld(source, 5_000);
  const client = new LiveWorldClient(['regions', 'alerts']);
  client.connect(hub, OPEN_PRINCIPAL);
  expect(client.snapshots).toBe(2);
  client.drop(hub);
  for (let load = 1; load <= 50; load++) {
    source.setLoad('region-01', load);
    time.advance(300);
  }
  const before = client.messages;
  client.connect(hub, OPEN_PRINCIPAL);
  // Hello, the newest of fifty changes, and that no alert has changed.
  expect([client.snapshots, client.messages - before]).toEqual([2, 3]);
  expect(stateOf(client, 'regions').regions).toEqual(sorted(source.regionsNow));
});
