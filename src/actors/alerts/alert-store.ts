import type { Alert, AlertEvent, Decision } from '../../model/alert.ts';
import { RecordTable, sortableNumber, type KeyedRecord } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { entryOf, isStanding, orderKey, parseAlertId, recordOf, type AlertRecord, type Entry } from './alert-entry.ts';
import { AlertIndex } from './alert-index.ts';
import { AlertLines } from './alert-lines.ts';

/** Lines of history that an alert keeps, in rows of one turn. One that goes on for a month and is told of every four hours has 180. */
const EVENT_ROWS = { firstRows: 1, newestRows: 200 };
/** Why it came to be, and the newest. */
const DECISION_ROWS = { firstRows: 10, newestRows: 100 };

/**
 * Alerts in memory and on disk. Standing ones are in memory and in the table `alerts`; the others are in `alert-history` alone, in order of (openedAt, id), with keys in `alert-keys` by fingerprint, meter, region
 * and type. One that has just become history stays in memory until the table is known to have it.
 */
export class AlertStore {
  readonly index = new AlertIndex();
  private readonly standing: RecordTable<AlertRecord>;
  private readonly history: RecordTable<AlertRecord>;
  /** Of `f/fingerprint/startedAt` openedAt; of the others nothing. */
  private readonly keys: RecordTable<number>;
  private readonly eventLines: AlertLines<AlertEvent>;
  private readonly decisionLines: AlertLines<Decision>;
  private readonly byId = new Map<string, Entry>();
  /** The newest in memory. */
  private readonly byFingerprint = new Map<string, Entry>();
  private changed = new Set<Entry>();
  /** What the last flush wrote. */
  private flushed = new Set<Entry>();
  private standingCount = 0;

  constructor(store: Store) {
    this.standing = new RecordTable(store, 'alerts');
    this.history = new RecordTable(store, 'alert-history');
    this.keys = new RecordTable(store, 'alert-keys');
    this.eventLines = new AlertLines(store, 'alert-events', EVENT_ROWS);
    this.decisionLines = new AlertLines(store, 'alert-decisions', DECISION_ROWS);
  }

  load(): void {
    const entries = Array.from(this.standing.range(), ({ record }) => entryOf(record, { isInBook: true, filed: null }));
    // In the order of lists, to whose end each is added then: the table's is by fingerprint, which is any.
    entries.sort(({ alert: a }, { alert: b }) => a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1));
    for (const entry of entries) this.remember(entry);
  }

  /** Alerts that stand: in memory for long. */
  get size(): number {
    return this.standingCount;
  }

  entries(): Iterable<Entry> {
    return this.byId.values();
  }

  isInMemory(id: string): boolean {
    return this.byId.has(id);
  }

  /** As it is; from the history it is a copy. */
  find(id: string): Entry | null {
    const known = this.byId.get(id);
    if (known !== undefined) return known;
    const name = parseAlertId(id);
    if (name === null) return null;
    const openedAt = this.keys.get(fingerprintKey(name.fingerprint, name.startedAt));
    return openedAt === null ? null : this.fromHistory(orderKey({ openedAt, id }));
  }

  /** To be changed: from the history it is taken into memory until that is written. */
  take(id: string): Entry | null {
    const entry = this.find(id);
    if (entry !== null && !this.byId.has(id)) this.remember(entry);
    return entry;
  }

  /** The newest of this fingerprint, whatever became of it; from the history it is a copy. */
  newestOf(fingerprint: string): Entry | null {
    const known = this.byFingerprint.get(fingerprint);
    if (known !== undefined) return known;
    for (const { key, record: openedAt } of this.keys.range({ from: `f/${fingerprint}/`, to: `f/${fingerprint}0`, reverse: true, limit: 1 })) {
      const startedAt = Number.parseInt(key.slice(key.lastIndexOf('/') + 1), 36);
      return this.fromHistory(orderKey({ openedAt, id: `${fingerprint}-${startedAt.toString(36)}` }));
    }
    return null;
  }

  add(record: AlertRecord): Entry {
    const entry = entryOf(record, { isInBook: false, filed: null });
    this.remember(entry);
    this.changed.add(entry);
    return entry;
  }

  /** The one way in which an entry in memory changes, apart from its lines. */
  change(entry: Entry, change: Partial<AlertRecord>): void {
    const before = entry.alert;
    const didStand = isStanding(entry);
    Object.assign(entry, change);
    this.standingCount += Number(isStanding(entry)) - Number(didStand);
    if (!didStand && isStanding(entry)) this.byFingerprint.set(entry.alert.fingerprint, entry);
    if (before !== entry.alert) this.index.changed(entry, before.region);
    this.changed.add(entry);
  }

  addEvent(entry: Entry, event: AlertEvent): void {
    (entry.newEvents ??= []).push(event);
    this.changed.add(entry);
  }

  addDecision(entry: Entry, decision: Decision): void {
    (entry.newDecisions ??= []).push(decision);
    this.changed.add(entry);
  }

  eventsOf(entry: Entry): AlertEvent[] {
    return [...this.eventLines.of(entry.alert.id, entry.eventRows, entry.flushedEvents), ...(entry.newEvents ?? [])];
  }

  decisionsOf(entry: Entry): Decision[] {
    return [...this.decisionLines.of(entry.alert.id, entry.decisionRows, entry.flushedDecisions), ...(entry.newDecisions ?? [])];
  }

  /** Queues what changed since the last time; gives its alerts. What was queued then must be committed by now. */
  flush(): Alert[] {
    for (const entry of this.flushed) {
      entry.flushedEvents = entry.flushedDecisions = null;
      if (!isStanding(entry) && !this.changed.has(entry)) this.forget(entry);
    }
    for (const entry of this.changed) this.write(entry);
    this.flushed = this.changed;
    this.changed = new Set();
    return Array.from(this.flushed, ({ alert }) => alert);
  }

  // History ----------------------------------------------------------------------------------------------------------------

  get historyCount(): number {
    return this.history.count();
  }

  /** Rows of the table, some of which may be in memory and newer there. */
  *historyRange(options: { from?: string; to?: string; reverse?: boolean; limit?: number }): Generator<KeyedRecord<AlertRecord>> {
    yield* this.history.range(options);
  }

  /** The same by way of a key of subjectKeys; `from` and `to` are orderKeys. */
  *historyOf(subject: string, { from, to, reverse }: { from: string; to: string; reverse: boolean }): Generator<KeyedRecord<AlertRecord>> {
    for (const { key } of this.keys.range({ from: subject + from, to: subject + to, reverse })) {
      const place = key.slice(subject.length);
      const record = this.history.get(place);
      if (record !== null) yield { key: place, record };
    }
  }

  /** Queues the removal of all that is kept of it, which must be history and not in memory. */
  removeHistory(record: AlertRecord): void {
    this.removeFromHistory(record.alert);
    this.eventLines.removeAll(record.alert.id, record.eventRows);
    this.decisionLines.removeAll(record.alert.id, record.decisionRows);
  }

  // ------------------------------------------------------------------------------------------------------------------------

  private remember(entry: Entry): void {
    const { id, fingerprint } = entry.alert;
    this.byId.set(id, entry);
    // Of history there may be a newer one that is not in memory.
    if (entry.filed === null) this.byFingerprint.set(fingerprint, entry);
    this.index.add(entry);
    if (isStanding(entry)) this.standingCount++;
  }

  private forget(entry: Entry): void {
    const { id, fingerprint } = entry.alert;
    this.byId.delete(id);
    if (this.byFingerprint.get(fingerprint) === entry) this.byFingerprint.delete(fingerprint);
    this.index.remove(entry);
  }

  private fromHistory(key: string): Entry | null {
    const record = this.history.get(key);
    return record === null ? null : entryOf(record, { isInBook: false, filed: record.alert });
  }

  private write(entry: Entry): void {
    const { id } = entry.alert;
    if (entry.newEvents !== null) this.eventLines.add(id, ++entry.eventRows, entry.newEvents);
    if (entry.newDecisions !== null) this.decisionLines.add(id, ++entry.decisionRows, entry.newDecisions);
    entry.flushedEvents = entry.newEvents;
    entry.flushedDecisions = entry.newDecisions;
    entry.newEvents = entry.newDecisions = null;
    if (isStanding(entry)) {
      if (entry.filed !== null) this.removeFromHistory(entry.filed);
      this.standing.put(id, recordOf(entry));
      entry.isInBook = true;
      entry.filed = null;
      return;
    }
    if (entry.isInBook) this.standing.remove(id);
    this.history.put(orderKey(entry.alert), recordOf(entry));
    if (entry.filed === null) this.putKeys(entry.alert);
    entry.isInBook = false;
    entry.filed = entry.alert;
  }

  private putKeys(alert: Alert): void {
    this.keys.put(fingerprintKey(alert.fingerprint, alert.startedAt), alert.openedAt);
    for (const subject of subjectKeys(alert)) this.keys.put(subject + orderKey(alert), 0);
  }

  private removeFromHistory(alert: Alert): void {
    this.history.remove(orderKey(alert));
    this.keys.remove(fingerprintKey(alert.fingerprint, alert.startedAt));
    for (const subject of subjectKeys(alert)) this.keys.remove(subject + orderKey(alert));
  }
}

function fingerprintKey(fingerprint: string, startedAt: number): string {
  return `f/${fingerprint}/${sortableNumber(startedAt)}`;
}

/** Beginnings of keys under which an alert of the history is found besides its own; no name has a slash. */
function subjectKeys({ meterId, region, type }: Pick<Alert, 'meterId' | 'region' | 'type'>): string[] {
  return [...(meterId === null ? [] : [meterKey(meterId)]), ...(region === null ? [] : [regionKey(region)]), typeKey(type)];
}

export function meterKey(meterId: string): string {
  return `m/${meterId}/`;
}

export function regionKey(region: string): string {
  return `r/${region}/`;
}

export function typeKey(type: Alert['type']): string {
  return `t/${type}/`;
}
