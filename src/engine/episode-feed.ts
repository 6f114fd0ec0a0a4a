import type { Anomaly } from '../model/anomaly.ts';
import type { AnomalyQuery, Page } from '../model/queries.ts';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';

/**
 * Which episodes are to be handed on: what shards report, newest state alone; and, whenever something may have been missed, all that go on and those of the last day, which are read from
 * the shards' stores page by page.
 */

/** Half a kilobyte each, 25 MB: a region of a city that goes dark, or what comes while the receiver is busy for some seconds. */
const PENDING_MAX = 50_000;
/** Of one page of a walk. */
const PAGE_ROWS = 1_000;
/** What began earlier and is over was told of, or is asked for one by one (Conditions.unconfirmed). */
const LOOK_BACK_MS = 86_400_000;
/** A shard that restarts needs seconds. */
const RETRY_MS = 1_000;
/** After every episode: year 2286. */
const FAR_MS = 1e13;

export interface EpisodeFeedModules {
  clock: Clock;
  timers: Timers;
  log: Log;
  /** Of all shards; may reject. */
  episodes(query: AnomalyQuery): Promise<Page<Anomaly>>;
}

/** A pass over what is stored. */
interface Walk {
  /** Ids that were reported while it goes on: a page may have been read before. */
  reported: Set<string>;
  retry: TimerHandle | null;
  /** Goes on when there is room; null while it does not wait. */
  proceed: (() => void) | null;
}

export class EpisodeFeed {
  private readonly modules: EpisodeFeedModules;
  /** By id, oldest change first; PENDING_MAX at most. */
  private readonly pending = new Map<string, Anomaly>();
  private walk: Walk | null = null;

  constructor(modules: EpisodeFeedModules) {
    this.modules = modules;
  }

  /** Whether there is nothing to take now. */
  get isIdle(): boolean {
    return this.pending.size === 0;
  }

  /** An episode as reported. */
  note(anomaly: Anomaly): void {
    this.put(anomaly);
    this.walk?.reported.add(anomaly.id);
    if (this.pending.size > PENDING_MAX || (this.walk?.reported.size ?? 0) > PENDING_MAX) this.overflow();
  }

  /** Reports may have been missed: what is stored is read anew. */
  reconcile(): void {
    this.endWalk();
    const walk: Walk = { reported: new Set(), retry: null, proceed: null };
    this.walk = walk;
    void this.run(walk);
  }

  /** Forgets everything, until `reconcile`. */
  stop(): void {
    this.endWalk();
    this.pending.clear();
  }

  /** The oldest changes, `max` at most. */
  take(max: number): Anomaly[] {
    const taken: Anomaly[] = [];
    for (const [id, anomaly] of this.pending) {
      if (taken.length === max) break;
      taken.push(anomaly);
      this.pending.delete(id);
    }
    if (this.pending.size <= PENDING_MAX / 2) this.walk?.proceed?.();
    return taken;
  }

  private put(anomaly: Anomaly): void {
    this.pending.delete(anomaly.id);
    this.pending.set(anomaly.id, anomaly);
  }

  /** What a walk would find again goes. Of older ones, whose end no walk tells, half the bound may stay. */
  private overflow(): void {
    const foundFrom = this.modules.clock.now() - LOOK_BACK_MS / 2;
    for (const { id, startedAt } of this.pending.values()) if (startedAt > foundFrom) this.pending.delete(id);
    let lost = 0;
    for (const id of this.pending.keys()) {
      if (this.pending.size <= PENDING_MAX / 2) break;
      this.pending.delete(id);
      lost++;
    }
    this.modules.log.warn({ lost }, 'more episodes change than alerts are made of: they are read from the stores again');
    this.reconcile();
  }

  private async run(walk: Walk): Promise<void> {
    const query = { meterId: null, region: null, kind: null, severity: null, to: FAR_MS, limit: PAGE_ROWS };
    await this.pass(walk, { ...query, open: true, from: 0 });
    await this.pass(walk, { ...query, open: false, from: this.modules.clock.now() - LOOK_BACK_MS });
    if (this.walk === walk) this.walk = null;
  }

  private async pass(walk: Walk, query: Omit<AnomalyQuery, 'cursor'>): Promise<void> {
    let cursor: string | null = null;
    while (this.walk === walk) {
      let page: Page<Anomaly>;
      try {
        page = await this.modules.episodes({ ...query, cursor });
      } catch (error) {
        this.modules.log.debug({ err: error }, 'episodes could not be read; another try follows');
        await this.pause(walk);
        continue;
      }
      if (this.walk !== walk) return;
      for (const anomaly of page.data) if (!walk.reported.has(anomaly.id)) this.put(anomaly);
      cursor = page.nextCursor;
      if (cursor === null) return;
      if (this.pending.size > PENDING_MAX / 2) await new Promise<void>((resolve) => (walk.proceed = resolve));
      walk.proceed = null;
    }
  }

  private pause(walk: Walk): Promise<void> {
    return new Promise((resolve) => (walk.retry = this.modules.timers.after(RETRY_MS, resolve)));
  }

  /** Whatever it waits for does not come any more: it is left to the garbage collector. */
  private endWalk(): void {
    this.walk?.retry?.cancel();
    this.walk = null;
  }
}
