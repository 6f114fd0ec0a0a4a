import { MessageChannel } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { Requester, Responder, type Reply } from '../../src/runtime/request-channel.ts';
import { memoryTransportPair, portTransport } from '../../src/runtime/transport.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** Delivery takes this long. */
const HOP_MS = 1;
const DEADLINE = { deadlineMs: 100 };

interface Held {
  request: string;
  reply: Reply<string>;
}

/** A channel in virtual time whose handler keeps each request until the test answers it, unless `handler` is given. */
function channel(options: { creditsMax?: number; bytesInFlightMax?: number; mailboxMax?: number; epoch?: number; handler?: (request: string, reply: Reply<string>) => void } = {}) {
  const time = new VirtualTime();
  const deps = { clock: time, timers: time };
  const [near, far] = memoryTransportPair((deliver) => void time.after(HOP_MS, deliver));
  const held: Held[] = [];
  const failures: unknown[] = [];
  const requester = new Requester<string, string, string, string>(
    near,
    { name: 'asked', creditsMax: options.creditsMax ?? 4, bytesInFlightMax: options.bytesInFlightMax ?? 1_000, epoch: 7 },
    deps,
  );
  const responder = new Responder<string, string, string, string>(
    far,
    options.handler ?? ((request, reply) => held.push({ request, reply })),
    { name: 'asked', mailboxMax: options.mailboxMax ?? 100, epoch: options.epoch ?? 7, onFailure: (error) => failures.push(error) },
    deps,
  );
  return { time, near, far, requester, responder, held, failures };
}

function outcomeOf(promise: Promise<string> | null): Promise<string> {
  return promise!.catch((error: OperationalError) => error.code);
}

describe('a request', () => {
  it('is answered with the result the handler gives, now or later', async () => {
    const { time, requester, held } = channel();
    const answer = requester.request('a', DEADLINE);
    time.advance(50);
    held[0].reply.ok(`${held[0].request}!`);
    time.advance(HOP_MS);
    expect(await answer).toBe('a!');
  });

  it('fails with the code, message and retryability of the error the handler gives', async () => {
    const { time, requester, held } = channel();
    const answer = requester.request('a', DEADLINE);
    time.advance(HOP_MS);
    held[0].reply.fail(new OperationalError('storage_full', 'the disk is full', { retryable: true }));
    time.advance(HOP_MS);
    await expect(answer).rejects.toMatchObject({ name: 'OperationalError', code: 'storage_full', message: 'the disk is full', retryable: true });
  });

  it('moves its buffers and gets those of its answer', async () => {
    const time = new VirtualTime();
    const [near, far] = memoryTransportPair((deliver) => void time.after(HOP_MS, deliver));
    const requester = new Requester<ArrayBuffer, ArrayBuffer>(near, { name: 'echo', creditsMax: 1, bytesInFlightMax: 10, epoch: 1 }, { clock: time, timers: time });
    new Responder<ArrayBuffer, ArrayBuffer>(far, (buffer, reply) => reply.ok(buffer, [buffer]), { name: 'echo', mailboxMax: 1, epoch: 1, onFailure: () => undefined }, { clock: time });
    const sent = new ArrayBuffer(8);
    const answer = requester.request(sent, { ...DEADLINE, transfer: [sent] });
    expect(sent.byteLength).toBe(0);
    time.advance(2 * HOP_MS);
    expect((await answer).byteLength).toBe(8);
  });

  it('that cannot be cloned throws and costs no credit', () => {
    const { requester } = channel();
    expect(() => requester.tryRequest((() => undefined) as unknown as string, DEADLINE)).toThrow();
    expect(requester.snapshot()).toMatchObject({ credits: 4, bytesInFlight: 0, sent: 0 });
  });
});

describe('credits', () => {
  it('run out at creditsMax unanswered requests and come back one with each answer', async () => {
    const { time, requester, held } = channel({ creditsMax: 2 });
    let told = 0;
    requester.onCredit(() => told++);
    const first = requester.tryRequest('a', DEADLINE);
    requester.tryRequest('b', DEADLINE);
    expect(requester.credits).toBe(0);
    expect(requester.tryRequest('c', DEADLINE)).toBeNull();
    expect(await outcomeOf(requester.request('c', DEADLINE))).toBe('no_credits');
    time.advance(HOP_MS);
    held[0].reply.ok('done');
    time.advance(HOP_MS);
    expect(await first).toBe('done');
    expect(told).toBe(1);
    expect(requester.tryRequest('c', DEADLINE)).not.toBeNull();
    expect(requester.snapshot()).toMatchObject({ sent: 3, outOfCredits: 2 });
  });

  it('bound bytes too, but let one large request go alone', () => {
    const { time, requester, held } = channel({ bytesInFlightMax: 100 });
    expect(requester.tryRequest('small', { ...DEADLINE, bytes: 60 })).not.toBeNull();
    expect(requester.tryRequest('too much', { ...DEADLINE, bytes: 41 })).toBeNull();
    expect(requester.tryRequest('fits', { ...DEADLINE, bytes: 40 })).not.toBeNull();
    time.advance(HOP_MS);
    for (const { reply } of held) reply.ok('');
    time.advance(HOP_MS);
    expect(requester.tryRequest('large', { ...DEADLINE, bytes: 5_000 })).not.toBeNull();
    expect(requester.tryRequest('next', { ...DEADLINE, bytes: 1 })).toBeNull();
  });

  it('that were not kept are met with mailbox_full, which is counted', async () => {
    const { time, requester, responder } = channel({ creditsMax: 3, mailboxMax: 2 });
    requester.tryRequest('a', DEADLINE)?.catch(() => undefined);
    requester.tryRequest('b', DEADLINE)?.catch(() => undefined);
    const refused = outcomeOf(requester.tryRequest('c', DEADLINE));
    time.advance(2 * HOP_MS);
    expect(await refused).toBe('mailbox_full');
    expect(responder.metrics.snapshot()).toMatchObject({ depth: 2, refused: 1 });
  });
});

describe('a deadline', () => {
  it('rejects the request on time, and the late answer only gives the credit back', async () => {
    const { time, requester, held } = channel({ creditsMax: 1 });
    let told = 0;
    requester.onCredit(() => told++);
    const answer = requester.request('a', DEADLINE);
    time.advance(99);
    expect(requester.snapshot().pastDeadline).toBe(0);
    time.advance(1);
    await expect(answer).rejects.toMatchObject({ code: 'deadline', retryable: true });
    expect(requester.credits).toBe(0);
    held[0].reply.ok('late');
    time.advance(HOP_MS);
    expect(requester.credits).toBe(1);
    expect(told).toBe(1);
  });

  it('is kept by each request for itself with one timer for all', async () => {
    const { time, requester } = channel({ creditsMax: 3 });
    const endedAt: Record<string, number> = {};
    for (const [name, deadlineMs] of [['long', 300], ['short', 20], ['middle', 100]] as const) {
      requester.request(name, { deadlineMs }).catch(() => (endedAt[name] = time.monotonic()));
    }
    await time.advanceSettled(HOP_MS);
    expect(time.timersPending).toBe(1);
    await time.advanceSettled(400);
    expect(endedAt).toEqual({ short: 20, middle: 100, long: 300 });
    expect(requester.snapshot().pastDeadline).toBe(3);
    expect(time.timersPending).toBe(0);
  });
});

describe('a peer that goes', () => {
  it('rejects what is unanswered and what comes after with peer_gone', async () => {
    const { time, requester, responder } = channel();
    const answer = outcomeOf(requester.request('a', DEADLINE));
    time.advance(HOP_MS);
    responder.close();
    time.advance(HOP_MS);
    expect(await answer).toBe('peer_gone');
    expect(await outcomeOf(requester.tryRequest('b', DEADLINE))).toBe('peer_gone');
    expect(time.timersPending).toBe(0);
  });

  it('is named with its cause when the requester closes', async () => {
    const { requester } = channel();
    const answer = requester.request('a', DEADLINE);
    const cause = new Error('shard-0 crashed');
    requester.close(cause);
    await expect(answer).rejects.toMatchObject({ code: 'peer_gone', retryable: true, cause });
  });

  it('does not trouble a handler that answers afterwards', () => {
    const { time, requester, held, failures } = channel();
    requester.request('a', DEADLINE).catch(() => undefined);
    time.advance(HOP_MS);
    requester.close();
    time.advance(HOP_MS);
    held[0].reply.ok('nobody listens');
    time.advance(HOP_MS);
    expect(failures).toEqual([]);
  });
});

describe('epochs', () => {
  it('keep answers and events of an older incarnation from being heard', async () => {
    const { time, near, far, requester } = channel();
    const events: string[] = [];
    requester.onEvent((event) => events.push(event));
    const answer = outcomeOf(requester.request('a', DEADLINE));
    far.post({ type: 'reply', id: 1, epoch: 6, result: 'from the grave' });
    far.post({ type: 'event', epoch: 6, event: 'from the grave' });
    await time.advanceSettled(100);
    expect(await answer).toBe('deadline');
    expect(events).toEqual([]);
    near.close();
  });

  it('let a newer incarnation refuse requests that were meant for an older one', async () => {
    const { time, requester, held } = channel({ epoch: 8 });
    const answer = outcomeOf(requester.request('a', DEADLINE));
    time.advance(2 * HOP_MS);
    expect(await answer).toBe('stale_epoch');
    expect(held).toEqual([]);
    expect(requester.credits).toBe(4);
  });
});

describe('a handler', () => {
  it('that throws is reported, takes its channel with it and sees no further request', async () => {
    const seen: string[] = [];
    const { time, requester, responder, failures } = channel({
      handler: (request) => {
        seen.push(request);
        throw new Error('broken');
      },
    });
    const answers = [requester.request('a', DEADLINE), requester.request('b', DEADLINE)].map(outcomeOf);
    time.advance(2 * HOP_MS);
    expect(await Promise.all(answers)).toEqual(['peer_gone', 'peer_gone']);
    expect(seen).toEqual(['a']);
    expect(failures).toMatchObject([{ message: 'broken' }]);
    expect(responder.metrics.snapshot()).toMatchObject({ failed: 1, depth: 0 });
  });

  it('that answers twice breaks an invariant', () => {
    const { time, requester, held } = channel();
    requester.request('a', DEADLINE).catch(() => undefined);
    time.advance(HOP_MS);
    held[0].reply.ok('once');
    expect(() => held[0].reply.ok('twice')).toThrow(/answered twice/);
    expect(() => held[0].reply.fail(new OperationalError('x', 'thrice'))).toThrow(/answered twice/);
  });

  it('is timed: the wait from sending to taking up, the handling from there to the answer', () => {
    const { time, requester, responder, held } = channel();
    void requester.request('a', DEADLINE);
    time.advance(HOP_MS);
    time.advance(40);
    held[0].reply.ok('done');
    const { wait, handle, handled, depth } = responder.metrics.snapshot();
    expect(wait.sumMs).toBe(HOP_MS);
    expect(handle.sumMs).toBe(40);
    expect({ handled, depth }).toEqual({ handled: 1, depth: 0 });
  });
});

describe('a channel between real ports', () => {
  it('shows a handler that threw no request that had already arrived', async () => {
    const { port1, port2 } = new MessageChannel();
    const deps = { clock: systemClock, timers: systemTimers };
    const requester = new Requester<string, string>(portTransport(port1), { name: 'asked', creditsMax: 4, bytesInFlightMax: 1, epoch: 1 }, deps);
    const answers = ['a', 'b', 'c'].map((request) => outcomeOf(requester.request(request, { deadlineMs: 10_000 })));
    const seen: string[] = [];
    const handler = (request: string): void => {
      seen.push(request);
      throw new Error('broken');
    };
    new Responder<string, string>(portTransport(port2), handler, { name: 'asked', mailboxMax: 4, epoch: 1, onFailure: () => undefined }, deps);
    expect(await Promise.all(answers)).toEqual(['peer_gone', 'peer_gone', 'peer_gone']);
    expect(seen).toEqual(['a']);
  });
});

describe('events', () => {
  it('go both ways in order and cost no credits', () => {
    const { time, requester, responder } = channel({ creditsMax: 1 });
    const up: string[] = [];
    const down: string[] = [];
    requester.onEvent((event) => up.push(event));
    responder.onEvent((event) => down.push(event));
    responder.sendEvent('report 1');
    responder.sendEvent('report 2');
    requester.sendEvent('picture');
    time.advance(HOP_MS);
    expect(up).toEqual(['report 1', 'report 2']);
    expect(down).toEqual(['picture']);
    expect(requester.credits).toBe(1);
  });

  it('whose receiver throws are a failure like the handler’s', () => {
    const { time, requester, responder, failures } = channel();
    responder.onEvent(() => {
      throw new Error('bad picture');
    });
    requester.sendEvent('picture');
    time.advance(HOP_MS);
    expect(failures).toMatchObject([{ message: 'bad picture' }]);
  });
});

describe('whatever happens in whatever order', () => {
  type Step = { do: 'request'; deadlineMs: number; bytes: number } | { do: 'answer'; pick: number; well: boolean } | { do: 'wait'; ms: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant('request' as const), deadlineMs: fc.integer({ min: 1, max: 30 }), bytes: fc.integer({ min: 0, max: 60 }) }),
    fc.record({ do: fc.constant('answer' as const), pick: fc.nat(), well: fc.boolean() }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 20 }) }),
  );

  it('every request settles once, credits and bytes add up, and the mailbox keeps its bound', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, endByClose) => {
        const { time, requester, responder, held } = channel({ creditsMax: 5, mailboxMax: 5, bytesInFlightMax: 100 });
        let sent = 0;
        let settled = 0;
        for (const next of steps) {
          if (next.do === 'wait') await time.advanceSettled(next.ms);
          else if (next.do === 'request') {
            const answer = requester.tryRequest('x', next);
            if (answer === null) continue;
            sent++;
            answer.then(() => settled++, () => settled++);
          } else if (held.length > 0) {
            const [{ reply }] = held.splice(next.pick % held.length, 1);
            if (next.well) reply.ok('y');
            else reply.fail(new OperationalError('no', 'no'));
          }
          expect(responder.metrics.snapshot().depth).toBe(held.length);
          expect(responder.metrics.snapshot().refused).toBe(0);
          expect(requester.credits).toBeGreaterThanOrEqual(0);
        }
        if (endByClose) responder.close();
        await time.advanceSettled(HOP_MS);
        for (const { reply } of held.splice(0)) reply.ok('z');
        await time.advanceSettled(100);
        expect(settled).toBe(sent);
        expect(requester.snapshot()).toMatchObject({ credits: 5, bytesInFlight: 0, sent });
        expect(time.timersPending).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
