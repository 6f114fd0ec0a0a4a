import type { Suppression } from '../../model/alert.ts';
import type { Entry } from './alert-entry.ts';
import { alertMatcher, type Matched } from './alert-match.ts';
import { firstOf, hasSources, isIn, leadingTo, reachedFrom, type InhibitionCell, type Membership } from './inhibition-cell.ts';
import type { Inhibition } from './rules.ts';

/**
 * Which active alerts keep others back. A cell is an inhibition together with what its alerts agree in: its sources keep its targets back. An alert that is a target of one cell and a source of another links
 * them, and where links lead in a circle, of one cell or more, every alert of it would keep itself back in the end. So no source in a circle keeps back a target in the same circle: only what comes from
 * outside does. Whoever is kept back is so by somebody who, in the end, is not.
 *
 * What changes touches the targets of the cells in which it changes something, and no others.
 */

type Cell = InhibitionCell<Entry>;

interface CompiledInhibition {
  name: string;
  isSource: (alert: Matched) => boolean;
  isTarget: (alert: Matched) => boolean;
  equal: readonly ('region' | 'meterId' | 'component')[];
}

/** No name has one. */
const SEPARATOR = '/';

export class Inhibitions {
  private rules: CompiledInhibition[] = [];
  private readonly cells = new Map<string, Cell>();
  /** Alerts that say they are kept back by the alert of this id. */
  private readonly keptBy = new Map<string, Set<Entry>>();
  /** Who may be kept back now and was not, or the other way round. */
  private touched = new Set<Entry>();

  constructor(inhibitions: readonly Inhibition[]) {
    this.setRules(inhibitions, []);
  }

  /** `active`: all alerts that are. */
  setRules(inhibitions: readonly Inhibition[], active: Iterable<Entry>): void {
    this.rules = inhibitions.map(({ name, source, target, equal }) => ({
      name,
      isSource: alertMatcher(source),
      isTarget: alertMatcher(target),
      equal: equal.map((field) => (field === 'meter' ? 'meterId' : field)),
    }));
    this.cells.clear();
    for (const entry of active) {
      entry.membership = null;
      this.add(entry);
    }
  }

  /** It is active from now on, or is so with another severity or region: then it is removed first. */
  add(entry: Entry): void {
    const membership: Membership<Entry> = { sourceOf: [], targetOf: [] };
    for (const [i, { name, isSource, isTarget, equal }] of this.rules.entries()) {
      const key = keyOf(entry.alert, equal);
      if (key === null) continue;
      const isIn = { source: isSource(entry.alert), target: isTarget(entry.alert) };
      if (!isIn.source && !isIn.target) continue;
      const cell = this.cell(name, `${i}${SEPARATOR}${key}`);
      if (isIn.source) membership.sourceOf.push(cell);
      if (isIn.target) membership.targetOf.push(cell);
    }
    this.touched.add(entry);
    if (membership.sourceOf.length + membership.targetOf.length === 0) return;
    entry.membership = membership;
    for (const cell of membership.targetOf) {
      (cell.targets ??= new Set()).add(entry);
      for (const next of membership.sourceOf) this.link(cell, next);
    }
    for (const cell of membership.sourceOf) this.changeSources(cell, () => sourcesFor(cell, entry).set(entry.alert.id, entry));
  }

  /** It is not active any more, or about to have another severity or region. */
  remove(entry: Entry): void {
    const { membership } = entry;
    if (membership === null) return;
    entry.membership = null;
    const { id } = entry.alert;
    for (const cell of membership.sourceOf) {
      this.changeSources(cell, () => {
        cell.outer.delete(id);
        cell.inner?.delete(id);
      });
    }
    for (const cell of membership.targetOf) {
      cell.targets!.delete(entry);
      if (cell.targets!.size === 0) cell.targets = null;
      for (const next of membership.sourceOf) this.unlink(cell, next);
    }
    for (const kept of this.keptBy.get(id) ?? []) this.touched.add(kept);
    for (const cell of [...membership.sourceOf, ...membership.targetOf]) this.removeEmpty(cell);
  }

  /** Who keeps it back, and by which inhibition; the same as before while it may. null: nobody. */
  keeperOf({ membership, alert }: Entry): { id: string; name: string } | null {
    const present = alert.suppression?.by === 'inhibition' ? alert.suppression.id : null;
    let found: { id: string; name: string } | null = null;
    for (const cell of membership?.targetOf ?? []) {
      const isInner = isIn(cell.circle, membership!.sourceOf);
      if (present !== null && (cell.outer.has(present) || (!isInner && cell.inner?.has(present)))) return { id: present, name: cell.name };
      if (found !== null) continue;
      const id = firstOf(cell.outer) ?? (isInner ? null : firstOf(cell.inner));
      if (id !== null) found = { id, name: cell.name };
    }
    return found;
  }

  /** To be called with every change of an alert's suppression. */
  said(entry: Entry, before: Suppression | null, after: Suppression | null): void {
    if (before?.by === 'inhibition') {
      const kept = this.keptBy.get(before.id);
      kept?.delete(entry);
      if (kept?.size === 0) this.keptBy.delete(before.id);
    }
    if (after?.by !== 'inhibition') return;
    const kept = this.keptBy.get(after.id);
    if (kept === undefined) this.keptBy.set(after.id, new Set([entry]));
    else kept.add(entry);
  }

  /** Alerts for which keeperOf may have another answer than the last time; they are forgotten here. */
  takeTouched(): Iterable<Entry> {
    const { touched } = this;
    if (touched.size > 0) this.touched = new Set();
    return touched;
  }

  private cell(name: string, key: string): Cell {
    let cell = this.cells.get(key);
    if (cell === undefined) {
      cell = { name, key, outer: new Map(), inner: null, targets: null, next: null, circle: null };
      this.cells.set(key, cell);
    }
    return cell;
  }

  private removeEmpty(cell: Cell): void {
    const { key, targets } = cell;
    if (!hasSources(cell) && targets === null && this.cells.get(key) === cell) this.cells.delete(key);
  }

  /** Touches the targets when there is a first source for some of them, or none any more. */
  private changeSources(cell: Cell, change: () => void): void {
    const hadOuter = cell.outer.size > 0;
    const hadAny = hasSources(cell);
    change();
    if (hadOuter !== cell.outer.size > 0 || hadAny !== hasSources(cell)) this.touchTargets(cell);
  }

  private touchTargets({ targets }: Cell): void {
    for (const target of targets ?? []) this.touched.add(target);
  }

  // Links and circles ------------------------------------------------------------------------------------------------------

  private link(from: Cell, to: Cell): void {
    from.next ??= new Map();
    const links = from.next.get(to) ?? 0;
    from.next.set(to, links + 1);
    if (links > 0 || (from.circle !== null && from.circle === to.circle)) return;
    const ahead = reachedFrom(to, null);
    if (ahead.has(from)) this.enclose(leadingTo(from, ahead));
  }

  private unlink(from: Cell, to: Cell): void {
    const next = from.next!;
    const links = next.get(to)! - 1;
    if (links > 0) {
      next.set(to, links);
      return;
    }
    next.delete(to);
    if (next.size === 0) from.next = null;
    const { circle } = from;
    if (circle !== null && circle === to.circle) this.dissolve(circle);
  }

  /** These cells are a circle from now on. */
  private enclose(circle: Set<Cell>): void {
    for (const cell of circle) cell.circle = circle;
    for (const cell of circle) this.sort(cell);
  }

  /** A link of the circle is gone: finds the circles that are left of it. */
  private dissolve(circle: Set<Cell>): void {
    for (const cell of circle) cell.circle = null;
    const left = new Set(circle);
    for (const cell of circle) {
      if (!left.has(cell)) continue;
      const part = leadingTo(cell, reachedFrom(cell, circle));
      for (const member of part) left.delete(member);
      if (part.size > 1 || cell.next?.has(cell)) for (const member of part) member.circle = part;
    }
    for (const cell of circle) this.sort(cell);
  }

  /** Its circle is another: so are its inner sources, and perhaps who is kept back. */
  private sort(cell: Cell): void {
    const sources = [...cell.outer, ...(cell.inner ?? [])];
    cell.outer = new Map();
    cell.inner = null;
    for (const [id, source] of sources) sourcesFor(cell, source).set(id, source);
    this.touchTargets(cell);
  }
}

/** Those of the cell's sources to which this one belongs. */
function sourcesFor(cell: Cell, { membership }: Entry): Cell['outer'] {
  return isIn(cell.circle, membership?.targetOf ?? []) ? (cell.inner ??= new Map()) : cell.outer;
}

/** What alerts of a cell agree in. null: it lacks one of these, and what it has not it cannot agree in. */
function keyOf(alert: Matched, equal: CompiledInhibition['equal']): string | null {
  let key = '';
  for (const field of equal) {
    const value = alert[field];
    if (value === null) return null;
    key += value + SEPARATOR;
  }
  return key;
}
