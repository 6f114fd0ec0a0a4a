import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryTransportPair, portTransport, type Transport } from '../../src/runtime/transport.ts';

const opened: Transport[] = [];
afterEach(() => {
  for (const transport of opened.splice(0)) transport.close();
});

function portPair(): [Transport, Transport] {
  const { port1, port2 } = new MessageChannel();
  return [portTransport(port1), portTransport(port2)];
}

/** A few passes of the event loop: enough for ports to deliver. */
async function delivered(): Promise<void> {
  for (let pass = 0; pass < 10; pass++) await new Promise((resolve) => setImmediate(resolve));
}

const kinds: [string, () => [Transport, Transport]][] = [
  ['a port', portPair],
  ['memory', () => memoryTransportPair((deliver) => void setImmediate(deliver))],
];

describe.each(kinds)('a transport over %s', (_name, makePair) => {
  function pair(): [Transport, Transport] {
    const ends = makePair();
    opened.push(...ends);
    return ends;
  }

  it('delivers in order, also what was sent before there was a receiver', async () => {
    const [near, far] = pair();
    near.post(1);
    near.post(2);
    await delivered();
    const got: unknown[] = [];
    far.onMessage((message) => got.push(message));
    near.post(3);
    await delivered();
    expect(got).toEqual([1, 2, 3]);
  });

  it('sends copies, and moves what is transferred', async () => {
    const [near, far] = pair();
    const got: { list: number[]; buffer: ArrayBuffer }[] = [];
    far.onMessage((message) => got.push(message as (typeof got)[number]));
    const message = { list: [1], buffer: new ArrayBuffer(8) };
    near.post(message, [message.buffer]);
    message.list.push(2);
    await delivered();
    expect(got[0].list).toEqual([1]);
    expect(got[0].buffer.byteLength).toBe(8);
    expect(message.buffer.byteLength).toBe(0);
  });

  it('throws what cannot be cloned and sends nothing', async () => {
    const [near, far] = pair();
    const got: unknown[] = [];
    far.onMessage((message) => got.push(message));
    expect(() => near.post({ fn: () => undefined })).toThrow();
    await delivered();
    expect(got).toEqual([]);
  });

  it('tells both ends of a close, after what was sent before it', async () => {
    const [near, far] = pair();
    const seen: unknown[] = [];
    near.onMessage(() => undefined);
    near.onClose(() => seen.push('near closed'));
    far.onMessage((message) => seen.push(message));
    far.onClose(() => seen.push('far closed'));
    near.post('last words');
    near.close();
    await delivered();
    expect(seen.filter((entry) => entry !== 'near closed')).toEqual(['last words', 'far closed']);
    expect(seen).toContain('near closed');
  });

  it('tells a listener that came after the close', async () => {
    const [near, far] = pair();
    far.onMessage(() => undefined);
    near.close();
    await delivered();
    let told = false;
    far.onClose(() => (told = true));
    await delivered();
    expect(told).toBe(true);
  });

  it('lets a post after the close go nowhere', async () => {
    const [near, far] = pair();
    const got: unknown[] = [];
    far.onMessage((message) => got.push(message));
    near.close();
    near.post('too late');
    far.post('too late');
    await delivered();
    expect(got).toEqual([]);
  });

  it('delivers nothing more once its receiver has closed it', async () => {
    const [near, far] = pair();
    for (const message of [1, 2, 3]) near.post(message);
    await delivered();
    const got: unknown[] = [];
    far.onMessage((message) => {
      got.push(message);
      far.close();
    });
    await delivered();
    expect(got).toEqual([1]);
  });

  it('has one receiver', () => {
    const [near] = pair();
    near.onMessage(() => undefined);
    expect(() => near.onMessage(() => undefined)).toThrow(/one receiver/);
  });
});

describe('a memory transport', () => {
  it('keeps the order of sending whatever order its deliveries are run in', () => {
    const deliveries: (() => void)[] = [];
    const [near, far] = memoryTransportPair((deliver) => deliveries.push(deliver));
    const got: unknown[] = [];
    far.onMessage((message) => got.push(message));
    near.post('a');
    near.post('b');
    near.post('c');
    for (const deliver of deliveries.reverse()) deliver();
    expect(got).toEqual(['a', 'b', 'c']);
  });
});
