import type { Shutdown } from '../runtime/shutdown.ts';

/**
 * What ends in which order when an engine stops. Whoever starts something says in which phase it ends, beside the start; within a phase what was added last ends first, so that nothing ends before what was made
 * of it. A phase has `limitMs`, then the next one begins (runtime/shutdown.ts).
 */

export type StopPhase = (typeof PHASES)[number];

const PHASES = [
  /** Senders, and whatever the clock sets off: what was promised to senders is stored before the shards stop. */
  'ingest',
  /** Questions, which are answered until here, and the stores that requests write to. */
  'gateway',
  /** What is written elsewhere is acknowledged to the alerts and bills, too, and they are whole when they go. */
  'sinks',
  /** The shards with the log, and all that is between them and the main thread. */
  'shards',
  /** Last, as it tells how the rest is. */
  'ops',
] as const;

type End = () => unknown;

export class StopOrder {
  private readonly ends: Readonly<Record<StopPhase, End[]>> = { ingest: [], gateway: [], sinks: [], shards: [], ops: [] };

  constructor(shutdown: Pick<Shutdown, 'phase'>, limitMs: number) {
    for (const phase of PHASES) shutdown.phase(phase, limitMs, () => this.run(phase));
  }

  /** Before everything that the phase has so far. What comes when the phase has been is not run. */
  add(phase: StopPhase, end: End): void {
    this.ends[phase].push(end);
  }

  private async run(phase: StopPhase): Promise<void> {
    for (let end = this.ends[phase].pop(); end !== undefined; end = this.ends[phase].pop()) await end();
  }
}
