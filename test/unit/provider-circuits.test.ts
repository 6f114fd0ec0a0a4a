import { describe, expect, it } from 'vitest';
import { CIRCUIT_FAILURES, CIRCUIT_OPEN_MIN_MS } from '../../src/actors/notifications/circuit.ts';
import type { DeliveryRecord } from '../../src/actors/notifications/deliveries.ts';
import { OpenDelivery } from '../../src/actors/notifications/delivery-queue.ts';
import { ProviderCircuits } from '../../src/actors/notifications/provider-circuits.ts';

const AT = Date.UTC(2026, 10, 27, 10);
const EMAIL = 'email';
const HOOK_A = 'webhook a.example';
const HOOK_B = 'webhook b.example';
const HOUR_MS = 3_600_000;

function circuits(...inTrouble: string[]): ProviderCircuits {
  const made = new ProviderCircuits(() => 1);
  for (const destination of inTrouble) for (let n = 0; n < CIRCUIT_FAILURES; n++) made.failed(destination, false, AT);
  return made;
}

/** Nothing of it is asked for but its id. */
const delivery = (id: string): OpenDelivery => new OpenDelivery({ id, dueAt: AT } as DeliveryRecord);
const idsOf = (released: Iterable<OpenDelivery>): string[] => Array.from(released, ({ record }) => record.id);

describe('the circuits of providers', () => {
  it('open by failures in a row, each provider by itself, and say so once', () => {
    const one = circuits();
    const opened = Array.from({ length: CIRCUIT_FAILURES + 2 }, () => one.failed(HOOK_A, false, AT));
    expect(opened.map((isOpened, i) => isOpened === (i === CIRCUIT_FAILURES - 1))).not.toContain(false);
    expect([HOOK_A, HOOK_B, EMAIL].map((destination) => one.admits(destination, AT))).toEqual([false, true, true]);
    expect([one.isSuspect(HOOK_A), one.isSuspect(HOOK_B), one.stateOf('webhook'), one.stateOf('email')]).toEqual([true, false, 'open', 'closed']);
  });

  it('let one find out, and close by what it finds', () => {
    const one = circuits(EMAIL);
    const probeAt = AT + CIRCUIT_OPEN_MIN_MS;
    expect([one.admits(EMAIL, probeAt - 1), one.admits(EMAIL, probeAt), one.begin(EMAIL, probeAt), one.stateOf('email')]).toEqual([false, true, true, 'half_open']);
    // One that went before it opened and fails now says nothing of the probe.
    one.failed(EMAIL, false, probeAt);
    expect(one.stateOf('email')).toBe('half_open');
    expect([one.failed(EMAIL, true, probeAt), one.stateOf('email'), one.admits(EMAIL, probeAt + CIRCUIT_OPEN_MIN_MS)]).toEqual([false, 'open', false]);
    one.succeeded(EMAIL);
    expect([one.admits(EMAIL, probeAt), one.begin(EMAIL, probeAt), one.isSuspect(EMAIL), one.stateOf('email')]).toEqual([true, false, false, 'closed']);
  });

  it('take a failure of what is no probe any more for a failure', () => {
    const one = circuits();
    expect(Array.from({ length: CIRCUIT_FAILURES }, () => one.failed(EMAIL, true, AT)).at(-1)).toBe(true);
  });

  it('move with the clock', () => {
    const one = circuits(EMAIL);
    one.clockMoved(-HOUR_MS);
    expect([one.admits(EMAIL, AT - HOUR_MS + CIRCUIT_OPEN_MIN_MS), one.admits(EMAIL, AT - HOUR_MS + CIRCUIT_OPEN_MIN_MS - 1)]).toEqual([true, false]);
  });

  it('are forgotten an hour after anybody could have tried them', () => {
    const one = circuits(EMAIL);
    const forgottenAt = AT + CIRCUIT_OPEN_MIN_MS + HOUR_MS;
    one.sweep(forgottenAt);
    expect(one.isSuspect(EMAIL)).toBe(true);
    one.sweep(forgottenAt + 1);
    expect(one.isSuspect(EMAIL)).toBe(false);
  });

  it('hold deliveries until their provider admits one, some at a time, and are not forgotten while anybody waits', () => {
    const one = circuits(EMAIL, HOOK_A);
    one.clockMoved(0);
    for (const id of ['1', '2', '3']) one.wait(EMAIL, delivery(id));
    const probeAt = AT + CIRCUIT_OPEN_MIN_MS;
    expect([one.nextProbeMs(), idsOf(one.released(probeAt - 1, 9))]).toEqual([probeAt, []]);
    one.sweep(probeAt + 2 * HOUR_MS);
    expect([one.isSuspect(EMAIL), one.isSuspect(HOOK_A)]).toEqual([true, false]);
    expect(idsOf(one.released(probeAt, 2))).toEqual(['1', '2']);
    one.begin(EMAIL, probeAt);
    expect([idsOf(one.released(probeAt, 2)), one.nextProbeMs()]).toEqual([[], Infinity]);
    one.succeeded(EMAIL);
    expect([one.nextProbeMs(), idsOf(one.released(probeAt, 2)), one.nextProbeMs()]).toEqual([-Infinity, ['3'], Infinity]);
  });
});
