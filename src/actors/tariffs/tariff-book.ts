import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { sortableNumber } from '../../runtime/record-table.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import { patternMatcher } from '../alerts/selectors.ts';
import type { TariffVersion } from './protocol.ts';
import { currentDocument, type TariffDocument } from './tariff-document.ts';

/** Versions of all tariffs together. What is in memory of each is some 500 bytes. */
export const TARIFF_VERSIONS_MAX = 20_000;
/** Documents that are kept in memory, some 20 KB each. */
const DOCUMENTS_HELD_MAX = 256;
/** Answers of `stretches` that are kept: a run asks the same for all meters of a class and region. */
const STRETCHES_HELD_MAX = 4_096;

/** Whose tariff is looked for. */
export interface TariffSubject {
  meterId: string;
  region: string;
  /** null: nobody has an agreement about it. */
  customerClass: string | null;
  /** That was agreed. */
  tariffId: string | null;
}

/** Days in which one version of one tariff counts. */
export interface TariffStretch {
  from: string;
  to: string;
  tariff: TariffVersion;
}

/** What has to be known of a version to see whether it counts. */
interface Outline {
  id: string;
  version: number;
  effectiveFrom: string;
  effectiveTo: string | null;
  appliesTo: Applies | null;
}

interface Applies {
  takesRegion(region: string): boolean;
  takesClass(customerClass: string | null): boolean;
  takesMeter(meterId: string): boolean;
  namesMeters: boolean;
  priority: number;
  /** Of the same priority that which names meters comes first, then classes, then regions. */
  closeness: number;
}

/** Tariffs and their versions, which never change or go, and which of them counts for whom. */
export class TariffBook {
  private readonly table: StagedTable<TariffVersion>;
  private readonly outlines = new Map<string, Outline[]>();
  /** Ids in order. */
  private ids: string[] = [];
  private count = 0;
  private readonly documents = new Map<string, TariffVersion>();
  private readonly stretchesHeld = new Map<string, TariffStretch[]>();

  constructor(staged: StagedStore) {
    this.table = staged.table('tariffs');
  }

  load(): void {
    for (const { record } of this.table.range({ from: '', to: afterPrefix('') })) this.remember(record);
  }

  get versionCount(): number {
    return this.count;
  }

  /** Throws `stale_version`, `too_many`. */
  put(document: TariffDocument, expectedVersion: number | null, by: string, nowMs: number): TariffVersion {
    const newest = this.newestVersion(document.id);
    if (expectedVersion !== null && expectedVersion !== newest) throw new OperationalError('stale_version', `the newest version of tariff ${document.id} is ${newest}, not ${expectedVersion}`);
    if (this.count >= TARIFF_VERSIONS_MAX) throw new OperationalError('too_many', `there are ${TARIFF_VERSIONS_MAX} tariff versions, which is as many as there may be`);
    const record: TariffVersion = { id: document.id, version: newest + 1, document, storedAt: nowMs, by };
    this.table.put(keyOf(record.id, record.version), record);
    this.remember(record);
    this.hold(keyOf(record.id, record.version), record);
    this.stretchesHeld.clear();
    return record;
  }

  /** Version null: the newest. Throws `unknown_tariff`. */
  find(id: string, version: number | null): TariffVersion {
    const found = this.held(id, version ?? this.newestVersion(id));
    if (found === null) throw new OperationalError('unknown_tariff', version === null ? `there is no tariff ${id}` : `there is no version ${version} of tariff ${id}`);
    return found;
  }

  has(id: string): boolean {
    return this.outlines.has(id);
  }

  /** The newest first. Throws `unknown_tariff`. */
  versions(id: string): TariffVersion[] {
    if (!this.has(id)) throw new OperationalError('unknown_tariff', `there is no tariff ${id}`);
    return this.outlines.get(id)!.map(({ version }) => this.find(id, version)).reverse();
  }

  /** The newest of each, in order of id, from after `cursor`: the last id of the page before. Throws `bad_cursor`. */
  page(limit: number, cursor: string | null): Page<TariffVersion> {
    if (cursor !== null && !this.has(cursor)) throw new OperationalError('bad_cursor', 'the cursor is of no page');
    let first = 0;
    if (cursor !== null) {
      const after = this.ids.findIndex((id) => id > cursor);
      first = after < 0 ? this.ids.length : after;
    }
    const ids = this.ids.slice(first, first + limit);
    return { data: ids.map((id) => this.find(id, null)), nextCursor: first + limit < this.ids.length ? ids[ids.length - 1] : null };
  }

  /** Which tariff counts when, of the days `from` ≤ day < `to`, in order and without gaps. Throws `no_tariff` where there is a day without. */
  stretches(subject: TariffSubject, from: string, to: string): TariffStretch[] {
    const key = this.subjectKey(subject, from, to);
    let found = this.stretchesHeld.get(key);
    if (found === undefined) {
      found = this.findStretches(subject, from, to);
      if (this.stretchesHeld.size >= STRETCHES_HELD_MAX) this.stretchesHeld.clear();
      this.stretchesHeld.set(key, found);
    }
    return found;
  }

  /** The days of one tariff, whoever has it, by the versions that count then. Throws `unknown_tariff`, `no_tariff`. */
  stretchesOf(tariffId: string, from: string, to: string): TariffStretch[] {
    if (!this.has(tariffId)) throw new OperationalError('unknown_tariff', `there is no tariff ${tariffId}`);
    return this.stretches({ meterId: '', region: '', customerClass: null, tariffId }, from, to);
  }

  /** The one of a day. Throws `no_tariff`. */
  on(subject: TariffSubject, date: string): TariffVersion {
    const found = this.choose(subject, date);
    if (found === null) throw noTariff(subject, date);
    return this.find(found.id, found.version);
  }

  /** Those that count on a day for meters of the region about which nobody has an agreement, apart from ones that name meters; the first is what such a meter has. */
  ofRegion(region: string, date: string): TariffVersion[] {
    return this.candidates({ meterId: '', region, customerClass: null, tariffId: null }, date).map(({ id, version }) => this.find(id, version));
  }

  private findStretches(subject: TariffSubject, from: string, to: string): TariffStretch[] {
    const stretches: TariffStretch[] = [];
    const edges = this.edges(subject, from, to);
    for (let i = 0; i + 1 < edges.length; i++) {
      const chosen = this.choose(subject, edges[i]);
      if (chosen === null) throw noTariff(subject, edges[i]);
      const last = stretches.at(-1);
      if (last?.tariff.id === chosen.id && last.tariff.version === chosen.version) last.to = edges[i + 1];
      else stretches.push({ from: edges[i], to: edges[i + 1], tariff: this.find(chosen.id, chosen.version) });
    }
    return stretches;
  }

  /** Days on which another one may begin to count, `from` and `to` included. */
  private edges({ tariffId }: TariffSubject, from: string, to: string): string[] {
    const edges = new Set([from, to]);
    for (const outlines of tariffId === null ? this.outlines.values() : [this.outlines.get(tariffId) ?? []]) {
      for (const { effectiveFrom, effectiveTo } of outlines) {
        for (const date of [effectiveFrom, effectiveTo]) if (date !== null && date > from && date < to) edges.add(date);
      }
    }
    return [...edges].sort();
  }

  private choose(subject: TariffSubject, date: string): Outline | null {
    if (subject.tariffId !== null) return inForce(this.outlines.get(subject.tariffId) ?? [], date);
    return this.candidates(subject, date)[0] ?? null;
  }

  /** The best first. */
  private candidates(subject: TariffSubject, date: string): Outline[] {
    const found: Outline[] = [];
    for (const id of this.ids) {
      const outline = inForce(this.outlines.get(id)!, date);
      if (outline !== null && takes(outline.appliesTo, subject)) found.push(outline);
    }
    // Ids are in order, and stay so where nothing else decides.
    return found.sort((a, b) => b.appliesTo!.priority - a.appliesTo!.priority || b.appliesTo!.closeness - a.appliesTo!.closeness);
  }

  private subjectKey({ meterId, region, customerClass, tariffId }: TariffSubject, from: string, to: string): string {
    if (tariffId !== null) return `${tariffId} ${from} ${to}`;
    let byMeter = '';
    for (const id of this.ids) for (const { appliesTo } of this.outlines.get(id)!) if (appliesTo?.namesMeters) byMeter += appliesTo.takesMeter(meterId) ? '1' : '0';
    return `/${region}/${customerClass ?? ''}/${byMeter} ${from} ${to}`;
  }

  private newestVersion(id: string): number {
    return this.outlines.get(id)?.length ?? 0;
  }

  private held(id: string, version: number): TariffVersion | null {
    const key = keyOf(id, version);
    const known = this.documents.get(key);
    if (known !== undefined) return known;
    const stored = this.table.get(key);
    if (stored === null) return null;
    const found = { ...stored, document: currentDocument(stored.document) };
    this.hold(key, found);
    return found;
  }

  /** Which one goes is of no matter; the oldest does. */
  private hold(key: string, record: TariffVersion): void {
    if (this.documents.size >= DOCUMENTS_HELD_MAX) for (const oldest of this.documents.keys()) { this.documents.delete(oldest); break; }
    this.documents.set(key, record);
  }

  private remember(record: TariffVersion): void {
    const { id, version, document } = record;
    let outlines = this.outlines.get(id);
    if (outlines === undefined) {
      this.outlines.set(id, (outlines = []));
      this.ids.push(id);
      this.ids.sort();
    }
    outlines.push({ id, version, effectiveFrom: document.effectiveFrom, effectiveTo: document.effectiveTo, appliesTo: appliesOf(document.appliesTo) });
    this.count++;
  }
}

function appliesOf(appliesTo: TariffDocument['appliesTo']): Applies | null {
  if (appliesTo === null) return null;
  const { regions, customerClasses, meters, priority } = appliesTo;
  return {
    takesRegion: patternMatcher(regions),
    takesClass: (customerClass) => customerClasses.length === 0 || (customerClass !== null && customerClasses.includes(customerClass)),
    takesMeter: patternMatcher(meters),
    namesMeters: meters.length > 0,
    priority,
    closeness: Number(meters.length > 0) * 4 + Number(customerClasses.length > 0) * 2 + Number(regions.length > 0),
  };
}

function takes(applies: Applies | null, { meterId, region, customerClass }: TariffSubject): boolean {
  return applies !== null && applies.takesRegion(region) && applies.takesClass(customerClass) && applies.takesMeter(meterId);
}

/** Of the versions whose time has the day the newest: it takes the place of those before it. */
function inForce(outlines: readonly Outline[], date: string): Outline | null {
  return outlines.findLast(({ effectiveFrom, effectiveTo }) => effectiveFrom <= date && (effectiveTo === null || date < effectiveTo)) ?? null;
}

function noTariff({ meterId, tariffId }: TariffSubject, date: string): OperationalError {
  const message = tariffId === null ? `no tariff applies to meter ${meterId} on ${date}` : `tariff ${tariffId} does not hold on ${date}`;
  return new OperationalError('no_tariff', message);
}

function keyOf(id: string, version: number): string {
  return `${id}/${sortableNumber(version)}`;
}
