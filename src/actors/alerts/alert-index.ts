import { ALERT_TYPES, type Alert, type AlertListQuery, type AlertState } from '../../model/alert.ts';
import { SEVERITIES } from '../../model/anomaly.ts';
import type { Entry } from './alert-entry.ts';

/** A place in the order of (openedAt, id). */
export type OrderPoint = Pick<Alert, 'openedAt' | 'id'>;

/** Entries that one piece holds at most: what an insertion moves. */
const PIECE_MAX = 1_024;

/** What lists choose by, in seven bits. */
const STATE_BITS: Readonly<Record<AlertState, number>> = { open: 0, acknowledged: 1, resolved: 2 };
const TYPE_SHIFT = 2;
const SEVERITY_SHIFT = 4;
const SUPPRESSED_BIT = 64;

/** Entries whose traits, as far as the mask goes, are these. */
export interface TraitFilter {
  mask: number;
  traits: number;
}

export const ANY_TRAITS: TraitFilter = { mask: 0, traits: 0 };

export function traitFilter({ state, type, severity, isSuppressed }: Pick<AlertListQuery, 'state' | 'type' | 'severity' | 'isSuppressed'>): TraitFilter {
  let mask = 0;
  let traits = 0;
  if (state === 'active') mask |= STATE_BITS.resolved;
  else if (state !== null) {
    mask |= 3;
    traits |= STATE_BITS[state];
  }
  if (type !== null) {
    mask |= 3 << TYPE_SHIFT;
    traits |= ALERT_TYPES.indexOf(type) << TYPE_SHIFT;
  }
  if (severity !== null) {
    mask |= 3 << SEVERITY_SHIFT;
    traits |= SEVERITIES.indexOf(severity) << SEVERITY_SHIFT;
  }
  if (isSuppressed !== null) {
    mask |= SUPPRESSED_BIT;
    traits |= isSuppressed ? SUPPRESSED_BIT : 0;
  }
  return { mask, traits };
}

function traitsOf({ state, type, severity, suppression }: Alert): number {
  return STATE_BITS[state] | (ALERT_TYPES.indexOf(type) << TYPE_SHIFT) | (SEVERITIES.indexOf(severity) << SEVERITY_SHIFT) | (suppression === null ? 0 : SUPPRESSED_BIT);
}

interface Piece {
  entries: Entry[];
  /** Of each entry: a filter that matches little would else look at every alert, wherever in memory it lies. */
  traits: Uint8Array;
}

/** Entries in order of (openedAt, id), in pieces so that one more or less moves a few hundred and not all. */
export class OrderedEntries {
  /** None is empty. */
  private readonly pieces: Piece[] = [];
  private count = 0;

  get size(): number {
    return this.count;
  }

  add(entry: Entry): void {
    this.count++;
    if (this.pieces.length === 0) this.pieces.push({ entries: [], traits: new Uint8Array(PIECE_MAX + 1) });
    const place = Math.max(0, this.pieceOf(entry.alert));
    const { entries, traits } = this.pieces[place];
    const at = firstNotBefore(entries, entry.alert);
    traits.copyWithin(at + 1, at, entries.length);
    traits[at] = traitsOf(entry.alert);
    entries.splice(at, 0, entry);
    this.split(place);
  }

  remove(entry: Entry): void {
    const found = this.placeOf(entry);
    if (found === null) return;
    this.count--;
    const { entries, traits } = this.pieces[found.place];
    traits.copyWithin(found.at, found.at + 1, entries.length);
    entries.splice(found.at, 1);
    if (entries.length === 0) this.pieces.splice(found.place, 1);
  }

  /** Its alert may have other traits. */
  changed(entry: Entry): void {
    const found = this.placeOf(entry);
    if (found !== null) this.pieces[found.place].traits[found.at] = traitsOf(entry.alert);
  }

  /** Newest first, those before the point alone. Nothing may be added or removed meanwhile. */
  *descending(before: OrderPoint, { mask, traits: wanted }: TraitFilter = ANY_TRAITS): Generator<Entry> {
    for (let place = this.pieceOf(before); place >= 0; place--) {
      const { entries, traits } = this.pieces[place];
      for (let i = firstNotBefore(entries, before) - 1; i >= 0; i--) if ((traits[i] & mask) === wanted) yield entries[i];
    }
  }

  /** Oldest first, beginning with the point. Nothing may be added or removed meanwhile. */
  *ascending(from: OrderPoint): Generator<Entry> {
    for (let place = Math.max(0, this.pieceOf(from)); place < this.pieces.length; place++) {
      const { entries } = this.pieces[place];
      for (let i = firstNotBefore(entries, from); i < entries.length; i++) yield entries[i];
    }
  }

  private placeOf(entry: Entry): { place: number; at: number } | null {
    const place = this.pieceOf(entry.alert);
    if (place < 0) return null;
    const { entries } = this.pieces[place];
    const at = firstNotBefore(entries, entry.alert);
    return entries[at] === entry ? { place, at } : null;
  }

  /** The last piece that begins at or before the point; −1: none. */
  private pieceOf(point: OrderPoint): number {
    let low = 0;
    let high = this.pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = this.pieces[middle].entries[0];
      if (first !== undefined && isBefore(point, first.alert)) high = middle;
      else low = middle + 1;
    }
    return low - 1;
  }

  private split(place: number): void {
    const { entries, traits } = this.pieces[place];
    if (entries.length <= PIECE_MAX) return;
    // New ones come at the end as a rule: what lies before stays as full as it is.
    const at = place === this.pieces.length - 1 ? PIECE_MAX : PIECE_MAX >> 1;
    const rest = { entries: entries.splice(at), traits: new Uint8Array(PIECE_MAX + 1) };
    rest.traits.set(traits.subarray(at, at + rest.entries.length));
    this.pieces.splice(place + 1, 0, rest);
  }
}

export function isBefore(a: OrderPoint, b: OrderPoint): boolean {
  return a.openedAt === b.openedAt ? a.id < b.id : a.openedAt < b.openedAt;
}

function firstNotBefore(piece: readonly Entry[], point: OrderPoint): number {
  let low = 0;
  let high = piece.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(piece[middle].alert, point)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The alerts in memory, as lists and silences look for them. */
export class AlertIndex {
  readonly all = new OrderedEntries();
  private readonly regions = new Map<string, OrderedEntries>();
  private readonly meters = new Map<string, Entry[]>();
  private readonly components = new Map<string, Entry[]>();

  add(entry: Entry): void {
    const { region, meterId, component } = entry.alert;
    this.all.add(entry);
    if (region !== null) this.addToRegion(region, entry);
    if (meterId !== null) addTo(this.meters, meterId, entry);
    if (component !== null) addTo(this.components, component, entry);
  }

  remove(entry: Entry): void {
    const { region, meterId, component } = entry.alert;
    this.all.remove(entry);
    if (region !== null) this.removeFromRegion(region, entry);
    if (meterId !== null) removeFrom(this.meters, meterId, entry);
    if (component !== null) removeFrom(this.components, component, entry);
  }

  /** It has another alert; its region was `before`. */
  changed(entry: Entry, before: string | null): void {
    const { region } = entry.alert;
    this.all.changed(entry);
    if (before !== region) {
      if (before !== null) this.removeFromRegion(before, entry);
      if (region !== null) this.addToRegion(region, entry);
    } else if (region !== null) this.regions.get(region)?.changed(entry);
  }

  /** Newest first; none that the query asks for is missing, though of a meter there may be others. */
  *descending(query: AlertListQuery, before: OrderPoint): Generator<Entry> {
    const { meterId, region } = query;
    if (meterId !== null) {
      const found = [...this.ofMeter(meterId)].filter(({ alert }) => isBefore(alert, before));
      yield* found.sort((a, b) => (isBefore(a.alert, b.alert) ? 1 : -1));
    } else if (region === null) yield* this.all.descending(before, traitFilter(query));
    else yield* this.regions.get(region)?.descending(before, traitFilter(query)) ?? [];
  }

  ofMeter(meterId: string): Iterable<Entry> {
    return this.meters.get(meterId) ?? [];
  }

  ofRegion(region: string): Iterable<Entry> {
    return this.regions.get(region)?.ascending({ openedAt: -Infinity, id: '' }) ?? [];
  }

  ofComponent(component: string): Iterable<Entry> {
    return this.components.get(component) ?? [];
  }

  private addToRegion(region: string, entry: Entry): void {
    let entries = this.regions.get(region);
    if (entries === undefined) this.regions.set(region, (entries = new OrderedEntries()));
    entries.add(entry);
  }

  private removeFromRegion(region: string, entry: Entry): void {
    const entries = this.regions.get(region);
    entries?.remove(entry);
    if (entries?.size === 0) this.regions.delete(region);
  }
}

function addTo(lists: Map<string, Entry[]>, key: string, entry: Entry): void {
  const entries = lists.get(key);
  if (entries === undefined) lists.set(key, [entry]);
  else entries.push(entry);
}

function removeFrom(lists: Map<string, Entry[]>, key: string, entry: Entry): void {
  const entries = lists.get(key);
  if (entries === undefined) return;
  const at = entries.indexOf(entry);
  if (at >= 0) entries.splice(at, 1);
  if (entries.length === 0) lists.delete(key);
}
