import type { ChannelName } from '../../model/contact.ts';
import type { Destination } from './channel-slots.ts';
import { Circuit, type CircuitState } from './circuit.ts';
import { Waiters, type OpenDelivery } from './delivery-queue.ts';

/** The circuits of all providers and servers, and the deliveries that wait for one of them to close. A provider without trouble has none. Times are epoch milliseconds. */

/** A circuit that nobody has tried for so long is forgotten. */
const CIRCUIT_KEPT_MS = 3_600_000;

export class ProviderCircuits {
  private readonly random: () => number;
  private readonly circuits = new Map<Destination, Circuit>();
  private readonly waiting = new Waiters<Destination>();

  /** `random` gives from 0 to below 1. */
  constructor(random: () => number) {
    this.random = random;
  }

  admits(destination: Destination, nowMs: number): boolean {
    return this.circuits.get(destination)?.wouldAdmit(nowMs) ?? true;
  }

  /** Its newest message failed for the provider's sake. */
  isSuspect(destination: Destination): boolean {
    return this.circuits.get(destination)?.isSuspect ?? false;
  }

  /** A message is about to go to one that admits it; true: it is the one that finds out whether the provider is well again. */
  begin(destination: Destination, nowMs: number): boolean {
    return this.circuits.get(destination)?.begin(nowMs) === 'probe';
  }

  succeeded(destination: Destination): void {
    this.circuits.get(destination)?.succeeded();
    this.circuits.delete(destination);
  }

  /** True when its circuit opened by that, from closed. */
  failed(destination: Destination, isProbe: boolean, nowMs: number): boolean {
    let circuit = this.circuits.get(destination);
    if (circuit === undefined) this.circuits.set(destination, (circuit = new Circuit()));
    return circuit.failed(isProbe && circuit.state === 'half_open', nowMs, this.random);
  }

  /** It waits until the provider admits one again. */
  wait(destination: Destination, open: OpenDelivery): void {
    this.waiting.add(destination, open);
  }

  /** Those whose provider admits one now, `max` of each at most. */
  *released(nowMs: number, max: number): Generator<OpenDelivery> {
    for (const destination of this.waiting.names()) if (this.admits(destination, nowMs)) yield* this.waiting.take(destination, max);
  }

  /** When `released` may give something that it does not now; Infinity: when something ends or comes. */
  nextProbeMs(): number {
    let next = Infinity;
    for (const destination of this.waiting.names()) if (this.waiting.has(destination)) next = Math.min(next, this.circuits.get(destination)?.probeAtMs ?? -Infinity);
    return next;
  }

  /** The clock was set by so much. */
  clockMoved(byMs: number): void {
    for (const circuit of this.circuits.values()) circuit.clockMoved(byMs);
  }

  /** Forgets servers that failed and that nobody has sent anything since. */
  sweep(nowMs: number): void {
    for (const [destination, circuit] of this.circuits) if (nowMs > circuit.probeAtMs + CIRCUIT_KEPT_MS && !this.waiting.has(destination)) this.circuits.delete(destination);
  }

  /** The worst of a channel's: webhooks have one for each server. */
  stateOf(channel: ChannelName): CircuitState {
    let worst: CircuitState = 'closed';
    for (const [destination, { state }] of this.circuits) {
      if (destination !== channel && !(channel === 'webhook' && destination.startsWith('webhook '))) continue;
      if (state === 'open' || (state === 'half_open' && worst === 'closed')) worst = state;
    }
    return worst;
  }
}
