/**
 * What one inhibition makes of alerts that agree: who keeps back whom, and which other cells that leads to (inhibitions.ts). `Held`: an alert, as whoever keeps the cells has it.
 */
export interface InhibitionCell<Held> {
  readonly name: string;
  readonly key: string;
  /** Sources that no circle of this cell leads to, and the others. */
  outer: Sources<Held>;
  inner: Sources<Held> | null;
  /** null: none. Most cells are of one meter, and of one alert. */
  targets: Set<Held> | null;
  /** Cells that targets of this one are sources of, with the number of those alerts; null: none. */
  next: Map<InhibitionCell<Held>, number> | null;
  /** The circle that it is in; null: none. */
  circle: Set<InhibitionCell<Held>> | null;
}

/** By id, in the order in which they came. */
type Sources<Held> = Map<string, Held>;

/** An alert's part in inhibitions. */
export interface Membership<Held> {
  sourceOf: InhibitionCell<Held>[];
  targetOf: InhibitionCell<Held>[];
}

export function hasSources({ outer, inner }: InhibitionCell<unknown>): boolean {
  return outer.size > 0 || (inner !== null && inner.size > 0);
}

export function firstOf(sources: Sources<unknown> | null): string | null {
  for (const id of sources?.keys() ?? []) return id;
  return null;
}

/** Whether one of the cells is in the circle. */
export function isIn<Held>(circle: InhibitionCell<Held>['circle'], cells: readonly InhibitionCell<Held>[]): boolean {
  return circle !== null && cells.some((cell) => cell.circle === circle);
}

/** The cell and what its links lead to, through cells of `within` alone where that is not null. */
export function reachedFrom<Held>(cell: InhibitionCell<Held>, within: ReadonlySet<InhibitionCell<Held>> | null): Set<InhibitionCell<Held>> {
  const found = new Set([cell]);
  for (const member of found) {
    for (const next of member.next?.keys() ?? []) if (within === null || within.has(next)) found.add(next);
  }
  return found;
}

/** Of these cells those from which links lead to this one, and itself. Links are known forwards alone: backwards they are asked for only where there is a circle, and would be most of a cell's memory. */
export function leadingTo<Held>(cell: InhibitionCell<Held>, cells: ReadonlySet<InhibitionCell<Held>>): Set<InhibitionCell<Held>> {
  const previous = new Map<InhibitionCell<Held>, InhibitionCell<Held>[]>();
  for (const from of cells) {
    for (const to of from.next?.keys() ?? []) {
      const known = previous.get(to);
      if (known === undefined) previous.set(to, [from]);
      else known.push(from);
    }
  }
  const found = new Set([cell]);
  for (const member of found) for (const from of previous.get(member) ?? []) found.add(from);
  return found;
}
