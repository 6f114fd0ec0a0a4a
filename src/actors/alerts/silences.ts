import type { Alert, AlertMatch, Silence, Suppression } from '../../model/alert.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { RecordTable, sortableNumber } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { alertMatcher, type Matched } from './alert-match.ts';
import type { NewSilence } from './protocol.ts';

/** Silences that have not ended; a person, or a script that plans maintenance, makes hundreds. */
export const SILENCES_MAX = 5_000;
/** Ended ones that are kept to be looked up. */
const ENDED_MAX = 5_000;
const ENDED_KEPT_MS = 400 * 86_400_000;
/** A silence for good is a rule to be changed. */
const SPAN_MAX_MS = 366 * 86_400_000;
/** Ended ones that one step forgets. */
const FORGET_STEP = 100;

interface KnownSilence {
  silence: Silence;
  /** Counts all that were ever made, from 1. */
  sequence: number;
  matches: (alert: Matched) => boolean;
  isActive: boolean;
}

/** What began or ended to hold. */
export interface SilenceTurn {
  id: string;
  match: AlertMatch;
  matches: (alert: Matched) => boolean;
}

/** Silences and maintenance windows: all in memory, and which of them hold now. */
export class Silences {
  private readonly table: RecordTable<Silence>;
  /** In the order in which they were made. */
  private readonly known = new Map<string, KnownSilence>();
  /** Those that hold, by what narrows them down most. */
  private readonly active = new NarrowedSilences();
  private readonly changed = new Set<string>();
  private lastSequence = 0;
  private nowMs = -Infinity;
  private nextMs = -Infinity;

  constructor(store: Store) {
    this.table = new RecordTable(store, 'silences');
  }

  load(): void {
    for (const { key, record } of this.table.range()) this.remember(record, Number.parseInt(key, 36));
  }

  flush(): void {
    for (const id of this.changed) {
      const { silence, sequence } = this.known.get(id)!;
      this.table.put(sortableNumber(sequence), silence);
    }
    this.changed.clear();
  }

  /** When the next begins or ends. */
  nextDueMs(): number {
    return this.nextMs;
  }

  get(id: string): Silence | null {
    return this.known.get(id)?.silence ?? null;
  }

  /** Newest first; the cursor is the number of the page's last. Without ended ones those that will begin are in it. Throws OperationalError `bad_cursor`. */
  page({ kind, withEnded, limit, cursor }: { kind: Silence['kind'] | null; withEnded: boolean; limit: number; cursor: string | null }): Page<Silence> {
    const before = cursor === null ? Infinity : this.sequenceAt(cursor);
    const wanted = [...this.known.values()].reverse().filter(({ silence, sequence }) => sequence < before && (kind === null || silence.kind === kind) && (withEnded || !this.hasEnded(silence)));
    const page = wanted.slice(0, limit);
    return { data: page.map(({ silence }) => silence), nextCursor: wanted.length > limit ? String(page[page.length - 1].sequence) : null };
  }

  /** `bad_span`, `too_many_silences`. It holds from the next `advance`. */
  make({ kind, match, startsAt, endsAt, createdBy, comment }: NewSilence, nowMs: number): Silence {
    checkSpan(startsAt, endsAt);
    if (endsAt <= nowMs) throw new OperationalError('bad_span', 'the silence would end before now');
    if (this.openCount() >= SILENCES_MAX) throw new OperationalError('too_many_silences', `there are ${SILENCES_MAX} silences that have not ended, which is all there may be`);
    const sequence = this.lastSequence + 1;
    const silence: Silence = { id: `${kind}-${sequence}`, version: 1, kind, match, startsAt, endsAt, createdBy, comment, createdAt: nowMs, ended: null };
    this.remember(silence, sequence);
    this.touch(silence.id);
    return silence;
  }

  /** `unknown_silence`, `stale_version`, `wrong_state`, `bad_span`. */
  change(id: string, version: number | null, { endsAt, comment }: { endsAt: number | null; comment: string | null }, nowMs: number): Silence {
    const known = this.openOne(id, version, nowMs);
    const { silence } = known;
    if (endsAt !== null) checkSpan(silence.startsAt, endsAt);
    return this.replace(known, { ...silence, endsAt: endsAt ?? silence.endsAt, comment: comment ?? silence.comment });
  }

  /** `unknown_silence`, `stale_version`, `wrong_state`. */
  end(id: string, version: number | null, by: string, why: string | null, nowMs: number): Silence {
    const known = this.openOne(id, version, nowMs);
    return this.replace(known, { ...known.silence, ended: { at: nowMs, by, why } });
  }

  /** Gives those that hold now and did not, or no longer do. */
  advance(nowMs: number): SilenceTurn[] {
    if (nowMs >= this.nowMs && nowMs < this.nextMs) {
      this.nowMs = nowMs;
      return [];
    }
    this.nowMs = nowMs;
    this.nextMs = Infinity;
    const turns: SilenceTurn[] = [];
    for (const known of this.known.values()) {
      const { silence } = known;
      const isActive = silence.ended === null && silence.startsAt <= nowMs && nowMs < silence.endsAt;
      if (silence.ended === null && silence.startsAt > nowMs) this.nextMs = Math.min(this.nextMs, silence.startsAt);
      if (isActive) this.nextMs = Math.min(this.nextMs, silence.endsAt);
      if (isActive === known.isActive) continue;
      known.isActive = isActive;
      if (isActive) this.active.add(known);
      else this.active.remove(known);
      turns.push({ id: silence.id, match: silence.match, matches: known.matches });
    }
    return turns;
  }

  /** What keeps the alert back: a maintenance window before a silence, the older before the younger. */
  suppressorOf(alert: Matched): Suppression | null {
    let best: KnownSilence | null = null;
    for (const known of this.active.candidates(alert)) if ((best === null || goesBefore(known, best)) && known.matches(alert)) best = known;
    return best === null ? null : { by: best.silence.kind, id: best.silence.id };
  }

  /** Forgets some that ended long ago; true when there are more. */
  forgetEnded(nowMs: number): boolean {
    let ended = this.known.size - this.openCount();
    let forgotten = 0;
    for (const [id, { silence, sequence }] of this.known) {
      if (forgotten === FORGET_STEP) return true;
      // The newest says where the numbers go on.
      if (sequence === this.lastSequence || !this.hasEnded(silence)) continue;
      if (ended <= ENDED_MAX && (silence.ended?.at ?? silence.endsAt) + ENDED_KEPT_MS > nowMs) continue;
      this.known.delete(id);
      this.changed.delete(id);
      this.table.remove(sortableNumber(sequence));
      ended--;
      forgotten++;
    }
    return false;
  }

  private remember(silence: Silence, sequence: number): void {
    this.known.set(silence.id, { silence, sequence, matches: alertMatcher(silence.match), isActive: false });
    this.lastSequence = Math.max(this.lastSequence, sequence);
  }

  private sequenceAt(cursor: string): number {
    const sequence = Number(cursor);
    if (!/^[1-9]\d{0,14}$/.test(cursor) || sequence > this.lastSequence) throw new OperationalError('bad_cursor', 'the cursor is of no page of silences');
    return sequence;
  }

  private openOne(id: string, version: number | null, nowMs: number): KnownSilence {
    const known = this.known.get(id);
    if (known === undefined) throw new OperationalError('unknown_silence', `there is no silence ${id}`);
    const { silence } = known;
    if (version !== null && version !== silence.version) throw new OperationalError('stale_version', `silence ${id} has version ${silence.version} by now, not ${version}`);
    if (silence.ended !== null || silence.endsAt <= nowMs) throw new OperationalError('wrong_state', `silence ${id} has ended`);
    return known;
  }

  private replace(known: KnownSilence, silence: Silence): Silence {
    known.silence = { ...silence, version: silence.version + 1 };
    this.touch(silence.id);
    return known.silence;
  }

  private touch(id: string): void {
    this.changed.add(id);
    this.nextMs = -Infinity;
  }

  private hasEnded({ ended, endsAt }: Silence): boolean {
    return ended !== null || endsAt <= this.nowMs;
  }

  private openCount(): number {
    let count = 0;
    for (const { silence } of this.known.values()) if (!this.hasEnded(silence)) count++;
    return count;
  }
}

function checkSpan(startsAt: number, endsAt: number): void {
  if (endsAt <= startsAt) throw new OperationalError('bad_span', 'the silence would end before it begins');
  if (endsAt - startsAt > SPAN_MAX_MS) throw new OperationalError('bad_span', 'a silence lasts 366 days at most');
}

function goesBefore(a: KnownSilence, b: KnownSilence): boolean {
  return a.silence.kind === b.silence.kind ? a.sequence < b.sequence : a.silence.kind === 'maintenance';
}

/** What of alerts a match can be narrowed down to without looking at all: the list of exact names with which to begin; null: it takes a look at all. */
export function narrowest({ meters, components, regions }: AlertMatch): { by: 'meterId' | 'component' | 'region'; names: readonly string[] } | null {
  if (isExact(meters)) return { by: 'meterId', names: meters };
  if (isExact(components)) return { by: 'component', names: components };
  if (isExact(regions)) return { by: 'region', names: regions };
  return null;
}

function isExact(patterns: readonly string[]): boolean {
  return patterns.length > 0 && !patterns.some((pattern) => pattern.includes('*'));
}

/** Silences that hold, so that an alert looks at those that name it and at those that name nothing exactly. */
class NarrowedSilences {
  private readonly broad = new Set<KnownSilence>();
  private readonly named = { meterId: new Map<string, Set<KnownSilence>>(), component: new Map<string, Set<KnownSilence>>(), region: new Map<string, Set<KnownSilence>>() };

  add(known: KnownSilence): void {
    const narrow = narrowest(known.silence.match);
    if (narrow === null) this.broad.add(known);
    for (const name of narrow?.names ?? []) {
      const silences = this.named[narrow!.by];
      if (!silences.has(name)) silences.set(name, new Set());
      silences.get(name)!.add(known);
    }
  }

  remove(known: KnownSilence): void {
    const narrow = narrowest(known.silence.match);
    if (narrow === null) this.broad.delete(known);
    for (const name of narrow?.names ?? []) {
      const silences = this.named[narrow!.by];
      silences.get(name)?.delete(known);
      if (silences.get(name)?.size === 0) silences.delete(name);
    }
  }

  *candidates({ meterId, component, region }: Pick<Alert, 'meterId' | 'component' | 'region'>): Generator<KnownSilence> {
    yield* this.broad;
    if (meterId !== null) yield* this.named.meterId.get(meterId) ?? [];
    if (component !== null) yield* this.named.component.get(component) ?? [];
    if (region !== null) yield* this.named.region.get(region) ?? [];
  }
}
