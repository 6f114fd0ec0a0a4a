/** Keeps messages from a provider that is in trouble, and finds out when it no longer is. Times are epoch milliseconds. */

/** Failures in a row that open it: one or two are the network's. */
export const CIRCUIT_FAILURES = 5;
/** From opening to the first probe; doubles with each probe that fails. */
export const CIRCUIT_OPEN_MIN_MS = 15_000;
/** A provider that comes back is found out within this. */
export const CIRCUIT_OPEN_MAX_MS = 300_000;

export type CircuitState = 'closed' | 'open' | 'half_open';

/** `go`: as any other. `probe`: the one that finds out. `no`: not now. */
export type Admission = 'go' | 'probe' | 'no';

export class Circuit {
  private failures = 0;
  private failedProbes = 0;
  private current: CircuitState = 'closed';
  private probeAt = Infinity;

  get state(): CircuitState {
    return this.current;
  }

  /** Its newest message failed for the provider's sake. */
  get isSuspect(): boolean {
    return this.failures > 0;
  }

  /** A probe may go from then on; Infinity while closed, and while one is under way. */
  get probeAtMs(): number {
    return this.current === 'open' ? this.probeAt : Infinity;
  }

  /** What `begin` would say. */
  wouldAdmit(nowMs: number): boolean {
    return this.current === 'closed' || (this.current === 'open' && nowMs >= this.probeAt);
  }

  /** A message is about to go. */
  begin(nowMs: number): Admission {
    if (this.current === 'closed') return 'go';
    if (this.current === 'half_open' || nowMs < this.probeAt) return 'no';
    this.current = 'half_open';
    return 'probe';
  }

  /** The provider answered, if only to say no. */
  succeeded(): void {
    this.failures = 0;
    this.failedProbes = 0;
    this.current = 'closed';
    this.probeAt = Infinity;
  }

  /** True when it opened by that, from closed. Messages that went before it opened say nothing new. */
  failed(wasProbe: boolean, nowMs: number, random: () => number): boolean {
    if (wasProbe) {
      this.failedProbes++;
      this.open(nowMs, random);
      return false;
    }
    if (this.current !== 'closed') return false;
    if (++this.failures < CIRCUIT_FAILURES) return false;
    this.open(nowMs, random);
    return true;
  }

  /** The clock was set by so much. */
  clockMoved(byMs: number): void {
    this.probeAt += byMs;
  }

  private open(nowMs: number, random: () => number): void {
    const waitMs = Math.min(CIRCUIT_OPEN_MAX_MS, CIRCUIT_OPEN_MIN_MS * 2 ** Math.min(this.failedProbes, 10));
    this.current = 'open';
    // From half of it: several engines do not probe at once.
    this.probeAt = nowMs + Math.floor(waitMs * (0.5 + random() / 2));
  }
}
