import type { ComponentHealth } from '../actors/alerts/protocol.ts';
import type { SinkStatus } from '../http/live-source.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ChildStatus } from '../runtime/supervisor.ts';

/** Which parts of the engine are away, and since when. */

/**
 * Of the disk with the data directory, free bytes below which it counts as filling up. Shards refuse readings at a few megabytes (FREE_BYTES_MIN of lmdb-store.ts); a gigabyte is some ten million
 * readings of log: time to do something.
 */
const DISK_FREE_MIN_BYTES = 1024 ** 3;
/** Without the figure: it would be news every second. */
const LOW_DISK = `Less than ${DISK_FREE_MIN_BYTES / 2 ** 20} MiB are free on the disk that holds the data directory.`;
const DISK = 'disk';
/** Who would tell of it is itself away. */
const LEFT_OUT: ReadonlySet<string> = new Set(['alerts']);

export interface ComponentWatchModules {
  clock: Clock;
  /** Threads and actors. */
  children(): ChildStatus[];
  sinks(): SinkStatus[];
  /** Shards that refuse readings. */
  withoutRoom(): string[];
  /** NaN: the system does not say. */
  diskFreeBytes(): number;
  /** Partitions of a shared log, and the group itself, that are not as they should be, with a word each. */
  cluster(): { part: string; state: string }[];
}

export class ComponentWatch {
  private readonly modules: ComponentWatchModules;
  /** By component. */
  private last = new Map<string, ComponentHealth>();

  constructor(modules: ComponentWatchModules) {
    this.modules = modules;
  }

  /** All of them; one that is not spoken of any more is left out. */
  look(): ComponentHealth[] {
    const nowMs = this.modules.clock.now();
    const found = new Map<string, ComponentHealth>();
    for (const [component, problem] of this.problems()) {
      const before = this.last.get(component);
      const isWell = problem === '';
      found.set(component, { component, isWell, since: before !== undefined && before.isWell === isWell ? before.since : nowMs, problem });
    }
    this.last = found;
    return [...found.values()];
  }

  /** By component, a sentence; an empty text for one that is well. */
  private problems(): Map<string, string> {
    const { children, sinks, withoutRoom, diskFreeBytes, cluster } = this.modules;
    const problems = new Map<string, string>();
    for (const child of children()) if (!LEFT_OUT.has(child.name)) problems.set(child.name, problemOf(child));
    for (const { sink, state, problem } of sinks()) problems.set(sink, state === 'running' ? '' : (sentence(problem ?? `it is ${state}`)));
    const full = withoutRoom();
    const isLow = diskFreeBytes() < DISK_FREE_MIN_BYTES;
    problems.set(DISK, full.length > 0 ? `No room is left, and ${full.join(', ')} ${full.length === 1 ? 'refuses' : 'refuse'} readings.` : isLow ? LOW_DISK : '');
    for (const { part, state } of cluster()) problems.set(part, `It is ${state}.`);
    return problems;
  }
}

/** Messages of errors begin small and end without a stop. */
function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function problemOf({ state, lastExit }: ChildStatus): string {
  if (state === 'up') return '';
  const why = lastExit?.kind === 'crashed' ? `: ${lastExit.error.message}` : '';
  return sentence(`it is ${state === 'backing_off' ? 'about to be restarted' : state}${why}`);
}
