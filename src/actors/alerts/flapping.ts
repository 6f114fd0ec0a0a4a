import { RecordTable } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import type { Entry } from './alert-entry.ts';
import type { AlertRules } from './rules.ts';

/** Fingerprints of which openings are remembered: twice the alerts that may stand. */
const FINGERPRINTS_MAX = 240_000;
/** Fingerprints that one opening, and one step of tidying up, forget at most. */
const FORGET_PER_OPENING = 4;
const FORGET_STEP = 1_000;

type FlappingSettings = AlertRules['flapping'];

/** How often each fingerprint opened of late, and when flapping alerts become steady. */
export class Flapping {
  private settings: FlappingSettings;
  private readonly table: RecordTable<number[]>;
  /** Times of openings, oldest first, by the engine's clock; the fingerprint that opened last is last. */
  private readonly openings = new Map<string, number[]>();
  private readonly changed = new Set<string>();
  /** Flapping alerts in order of steadySince. */
  private readonly flapping = new Set<Entry>();

  constructor(settings: FlappingSettings, store: Store) {
    this.settings = settings;
    this.table = new RecordTable(store, 'alert-flaps');
  }

  load(entries: Iterable<Entry>): void {
    const rows = [...this.table.range()].sort((a, b) => a.record[a.record.length - 1] - b.record[b.record.length - 1]);
    for (const { key, record } of rows) this.openings.set(key, record);
    const found = [...entries].filter(({ steadySince }) => steadySince !== null);
    for (const entry of found.sort((a, b) => a.steadySince! - b.steadySince!)) this.flapping.add(entry);
  }

  flush(): void {
    for (const fingerprint of this.changed) {
      const times = this.openings.get(fingerprint);
      if (times === undefined) this.table.remove(fingerprint);
      else this.table.put(fingerprint, times);
    }
    this.changed.clear();
  }

  setSettings(settings: FlappingSettings): void {
    this.settings = settings;
  }

  get stableForMs(): number {
    return this.settings.stableFor;
  }

  /** Another opening. Says how many there were in the time that counts, and whether that is flapping. */
  opened(fingerprint: string, nowMs: number): { openings: number; isFlapping: boolean; text: string } {
    const { openings: enough, within } = this.settings;
    const times = [...(this.openings.get(fingerprint) ?? []).filter((time) => time > nowMs - within), nowMs].slice(-enough);
    this.openings.delete(fingerprint);
    this.openings.set(fingerprint, times);
    this.changed.add(fingerprint);
    this.forget(nowMs, FORGET_PER_OPENING);
    const isFlapping = times.length >= enough;
    return { openings: times.length, isFlapping, text: `${times.length} of ${enough} openings within ${within / 1_000} s` };
  }

  /** It is flapping, and has just begun to hold or to be well; its steadySince is now. */
  turned(entry: Entry): void {
    this.flapping.delete(entry);
    this.flapping.add(entry);
  }

  ended(entry: Entry): void {
    this.flapping.delete(entry);
  }

  nextDueMs(): number {
    for (const { steadySince } of this.flapping) return steadySince! + this.settings.stableFor;
    return Infinity;
  }

  /** The first that has been steady for long enough; null: none has. It stays until it turns or ends. */
  steadyOne(nowMs: number): Entry | null {
    for (const entry of this.flapping) return entry.steadySince! + this.settings.stableFor <= nowMs ? entry : null;
    return null;
  }

  /** Those that have been steady since a time that has not come: the clock went back. */
  *fromTheFuture(nowMs: number): Generator<Entry> {
    for (const entry of this.flapping) if (entry.steadySince! > nowMs) yield entry;
  }

  /** Forgets openings that no longer count; true when there are more. */
  forgetOld(nowMs: number): boolean {
    return this.forget(nowMs, FORGET_STEP);
  }

  private forget(nowMs: number, max: number): boolean {
    let forgotten = 0;
    for (const [fingerprint, times] of this.openings) {
      if (times[times.length - 1] > nowMs - this.settings.within && this.openings.size <= FINGERPRINTS_MAX) return false;
      if (forgotten++ === max) return true;
      this.openings.delete(fingerprint);
      this.changed.add(fingerprint);
    }
    return false;
  }
}
