import { expect, test } from 'vitest';
import type { LiveHub } from '../../src/http/live-hub.ts';
import { channelAddress } from '../../src/http/live-names.ts';
import type { LiveReader } from '../../src/http/live-reader.ts';
import type { MeterNow } from '../../src/http/live-source.ts';
import { billSubject } from '../../src/http/thing-scopes.ts';
import type { Principal } from '../../src/model/access.ts';
import { ALWAYS, type HeldTime } from '../../src/model/held-time.ts';
import type { MeterId } from '../../src/model/ids.ts';
import { exampleInvoice } from '../support/example-bills.ts';
import { FakeGrid } from '../support/fake-grid.ts';
import { consumer } from '../support/live-accounts.ts';
import { LiveWorld } from '../support/live-world.ts';

/** Rights of consumers on open streams, which change at the moment that was said before. */

const METER = 'meter-0101' as MeterId;
const METER_CHANNEL = `meter:${METER}`;
const BILLS_CHANNEL = `bills:${METER}`;
const MINUTE_MS = 60_000;

const who = (time: HeldTime): Principal => ({ ...consumer('ada'), meters: new Map([[METER, time]]) });

/** A connection whose messages are kept, as `type channel` or `code channel`. */
class Listener {
  readonly heard: string[] = [];
  invoices: string[] = [];
  readonly reader: LiveReader;
  private readonly hub: LiveHub;

  constructor(hub: LiveHub, principal: Principal) {
    this.hub = hub;
    const take = (bytes: Uint8Array): void => {
      const { type, code = type, channel, data } = JSON.parse(Buffer.from(bytes).toString());
      if (channel !== undefined) this.heard.push(`${code} ${channel}`);
      if (type === 'snapshot' && channel === BILLS_CHANNEL) this.invoices = data.invoices.map(({ id }: { id: string }) => id).sort();
    };
    this.reader = hub.open({ send: take, together: (sends) => sends(), unsentBytes: () => 0, end: () => {}, destroy: () => {} }, principal);
  }

  ask(...channels: string[]): string[] {
    this.hub.subscribe(this.reader, channels.map((name) => ({ address: channelAddress(name)!, after: null, scope: null })));
    return this.heard.splice(0);
  }
}

test('a meter is heard until it is somebody else\'s, and its bills stay', async () => {
  const world = new LiveWorld(new FakeGrid(Date.UTC(2026, 2, 2)), 1_000);
  const end = world.time.now() + 2 * MINUTE_MS;
  const ada = new Listener(world.hub, who([{ from: null, until: end }]));
  ada.ask(METER_CHANNEL, BILLS_CHANNEL);
  await world.time.advanceSettled(1_000);
  ada.heard.length = 0;
  await world.time.advanceSettled(end - 1 - world.time.now());
  expect(ada.heard.filter((message) => message.startsWith('forbidden'))).toEqual([]);
  await world.time.advanceSettled(1);
  expect(ada.heard.filter((message) => message.startsWith('forbidden'))).toEqual([`forbidden ${METER_CHANNEL}`]);
  expect(world.hub.stats()).toMatchObject({ subscriptions: 1, watchedMeters: 0 });
});

test('what is to be somebody\'s is not there before, and is from that moment on, with what is of it since', async () => {
  const grid = new FakeGrid(Date.UTC(2026, 2, 2));
  const asked: unknown[] = [];
  const watchMeter = grid.watchMeter.bind(grid);
  (grid as { watchMeter(meterId: string, since?: number | null): Promise<MeterNow | null> }).watchMeter = (meterId, since) => (asked.push(since), watchMeter(meterId));
  const world = new LiveWorld(grid, 1_000);
  const begin = world.time.now() + MINUTE_MS;
  const ada = new Listener(world.hub, who([{ from: begin, until: null }]));
  await world.time.advanceSettled(MINUTE_MS - 1);
  expect(ada.ask(METER_CHANNEL, BILLS_CHANNEL)).toEqual([`forbidden ${METER_CHANNEL}`, `forbidden ${BILLS_CHANNEL}`]);
  await world.time.advanceSettled(1);
  ada.ask(METER_CHANNEL, BILLS_CHANNEL);
  await world.time.advanceSettled(1_000);
  expect(ada.heard).toContain(`snapshot ${METER_CHANNEL}`);
  expect(new Set(asked)).toEqual(new Set([begin]));
  // Who has it always asks of all of it, and neither hears the other's.
  const root = new Listener(world.hub, who(ALWAYS));
  root.ask(METER_CHANNEL);
  await world.time.advanceSettled(1_000);
  expect(root.heard).toContain(`snapshot ${METER_CHANNEL}`);
  expect(new Set(asked)).toEqual(new Set([begin, null]));
  expect(world.hub.stats().watchedMeters).toBe(2);
});

test('one that has sent nothing since it is theirs says so, and goes on when it does', async () => {
  const grid = new FakeGrid(Date.UTC(2026, 2, 2));
  const { answerMeter } = grid;
  grid.answerMeter = async () => null;
  const world = new LiveWorld(grid, 1_000);
  const ada = new Listener(world.hub, who([{ from: world.time.now() - 1, until: null }]));
  ada.ask(METER_CHANNEL);
  await world.time.advanceSettled(3_000);
  expect(ada.heard).toEqual([`unavailable ${METER_CHANNEL}`]);
  grid.answerMeter = answerMeter;
  await world.time.advanceSettled(2_000);
  expect(ada.heard).toContain(`snapshot ${METER_CHANNEL}`);
});

test('bills are of whose time has the middle of their period, also when the rights to them change', async () => {
  const grid = new FakeGrid(Date.UTC(2026, 2, 2));
  // Around the beginning of time, which is when virtual time begins.
  const ofMonth = (from: string, to: string) => exampleInvoice({ id: from, meterId: METER, zone: 'UTC', from, to });
  grid.recentBills = { invoices: [ofMonth('1969-10-01', '1969-11-01'), ofMonth('1969-11-01', '1969-12-01'), ofMonth('1969-12-01', '1970-01-01')], payments: [], disputes: [] };
  for (const invoice of grid.recentBills.invoices) grid.billPlaces.set(invoice.id, billSubject(invoice));
  const world = new LiveWorld(grid, 1_000);
  const edge = Date.UTC(1969, 11, 3);
  const ada = new Listener(world.hub, who([{ from: edge, until: null }]));
  ada.ask(BILLS_CHANNEL);
  expect(ada.invoices).toEqual(['1969-12-01']);
  world.hub.principalChanged('ada', null, who([{ from: null, until: edge }]));
  expect(ada.invoices).toEqual(['1969-10-01', '1969-11-01']);
  world.hub.principalChanged('ada', null, who(ALWAYS));
  expect(ada.invoices).toEqual(['1969-10-01', '1969-11-01', '1969-12-01']);
  ada.heard.length = 0;
  world.hub.principalChanged('ada', null, who([]));
  expect(ada.heard).toEqual([`forbidden ${BILLS_CHANNEL}`]);
});
