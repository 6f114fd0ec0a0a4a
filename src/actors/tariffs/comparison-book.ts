import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { sortableNumber } from '../../runtime/record-table.ts';
import { daysOfMonth, type Days } from './billed-days.ts';
import type { ComparedCustomer, TariffComparison } from './comparison.ts';
import { checkCursor } from '../../runtime/record-page.ts';
import type { Sequences } from './sequences.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/** Comparisons that are kept; the oldest that is over goes when another begins. A million customers under two tariffs are some 50 MB of disk. */
export const COMPARISONS_KEPT_MAX = 5;
/** Pieces of rows that one turn removes: some megabytes. */
const PIECES_REMOVED_PER_TURN = 64;
const ID = /^cmp-\d{6,}$/;
const ID_DIGITS = 6;
/** A piece and a row of it. */
const ROWS_CURSOR = /^(\d{1,9})\.(\d{1,9})$/;

/** Days in which a version of a tariff counts. */
export interface VersionDays {
  version: number;
  from: string;
  to: string;
}

export interface StoredComparison extends TariffComparison {
  /** Of each tariff, as it was when the comparison began: what is put later does not count. */
  versions: VersionDays[][];
  /** Where it goes on after a restart; null: at the beginning. */
  after: string | null;
  /** Pieces of rows that there are. */
  pieces: number;
  /** Agreements that there were when it began. They are numbered in a row, so later ones are known by their number. */
  agreements: number;
  /** It is gone for everybody, and its rows are being removed. */
  isRemoved: boolean;
}

/** A customer as it is stored, some 60 bytes: without the names of what all have. */
type Row = [meterId: string, agreementId: string | null, /** null: all days. */ days: [string, string] | null, present: string | null, best: number, saving: string | null, ...costs: string[]];

/** Comparisons of tariffs, one under way at a time, and what they found of each customer. The few that there are are in memory, their rows are not. */
export class ComparisonBook {
  private readonly table: StagedTable<StoredComparison>;
  /** `id/piece`. */
  private readonly rows: StagedTable<Row[]>;
  private readonly sequences: Sequences;
  /** By id, in order. */
  private readonly known = new Map<string, StoredComparison>();

  constructor(staged: StagedStore, sequences: Sequences) {
    this.table = staged.table('comparisons');
    this.rows = staged.table('comparison-rows');
    this.sequences = sequences;
  }

  load(): void {
    for (const { record } of this.table.range({ from: '', to: afterPrefix('') })) this.known.set(record.id, record);
  }

  underWay(): StoredComparison | null {
    return this.find(isUnderWay);
  }

  /** One whose rows are to be removed. */
  removed(): StoredComparison | null {
    return this.find(({ isRemoved }) => isRemoved);
  }

  /** Throws `unknown_comparison`. */
  get(id: string): StoredComparison {
    const found = this.known.get(id);
    if (found === undefined || found.isRemoved) throw new OperationalError('unknown_comparison', `there is no comparison ${id}`);
    return found;
  }

  /** The newest first, from after `cursor`. Throws `bad_cursor`. */
  page(limit: number, cursor: string | null): Page<TariffComparison> {
    checkCursor(cursor, ID);
    const all = [...this.known.values()].reverse().filter(({ id, isRemoved }) => !isRemoved && (cursor === null || id < cursor));
    return { data: all.slice(0, limit).map(shownComparison), nextCursor: all.length > limit ? all[limit - 1].id : null };
  }

  /** Throws `comparison_under_way`. */
  start(of: Omit<StoredComparison, 'id'>): StoredComparison {
    const other = this.underWay();
    if (other !== null) throw new OperationalError('comparison_under_way', `comparison ${other.id} is under way, and there is one at a time; cancel it, or wait until it is done`);
    const kept = [...this.known.values()].filter(({ isRemoved }) => !isRemoved);
    for (const old of kept.slice(0, Math.max(0, kept.length + 1 - COMPARISONS_KEPT_MAX))) this.put({ ...old, isRemoved: true });
    const made = { ...of, id: `cmp-${String(this.sequences.next('comparison')).padStart(ID_DIGITS, '0')}` };
    this.put(made);
    return made;
  }

  put(comparison: StoredComparison): void {
    this.table.put(comparison.id, comparison);
    this.known.set(comparison.id, comparison);
  }

  /** The next piece of rows, and the comparison as it is with them. */
  add(comparison: StoredComparison, customers: readonly ComparedCustomer[]): void {
    if (customers.length === 0) return this.put(comparison);
    const whole = wholeDays(comparison);
    this.rows.put(pieceKey(comparison.id, comparison.pieces), customers.map((customer) => packRow(customer, whole)));
    this.put({ ...comparison, pieces: comparison.pieces + 1 });
  }

  /** Those that are done so far, from after `cursor`. Throws `unknown_comparison`, `bad_cursor`. */
  customers(id: string, limit: number, cursor: string | null): Page<ComparedCustomer> {
    const comparison = this.get(id);
    const { pieces } = comparison;
    const whole = wholeDays(comparison);
    const [, piece, row] = cursor === null ? [null, '0', '0'] : (ROWS_CURSOR.exec(cursor) ?? []);
    if (piece === undefined) throw new OperationalError('bad_cursor', 'the cursor is of no page');
    const data: ComparedCustomer[] = [];
    let first = Number(row);
    for (let at = Number(piece); at < pieces; at++, first = 0) {
      const rows = this.rows.get(pieceKey(id, at)) ?? [];
      const taken = rows.slice(first, first + limit - data.length);
      for (const packed of taken) data.push(unpackRow(packed, whole));
      if (data.length < limit) continue;
      const end = first + taken.length;
      const isLast = end >= rows.length && at + 1 >= pieces;
      return { data, nextCursor: isLast ? null : end < rows.length ? `${at}.${end}` : `${at + 1}.0` };
    }
    return { data, nextCursor: null };
  }

  /** Takes some of what a comparison that is gone left, the comparison itself last. */
  removeSome(id: string): void {
    const { pieces } = this.known.get(id)!;
    const left = Math.max(0, pieces - PIECES_REMOVED_PER_TURN);
    for (let piece = left; piece < pieces; piece++) this.rows.remove(pieceKey(id, piece));
    if (left > 0) return this.put({ ...this.known.get(id)!, pieces: left });
    this.table.remove(id);
    this.known.delete(id);
  }

  private find(matches: (comparison: StoredComparison) => boolean): StoredComparison | null {
    for (const comparison of this.known.values()) if (matches(comparison)) return comparison;
    return null;
  }
}

export function isUnderWay({ state }: TariffComparison): boolean {
  return state === 'running' || state === 'paused';
}

/** As everybody sees it. */
export function shownComparison({ versions: _versions, after: _after, pieces: _pieces, agreements: _agreements, isRemoved: _isRemoved, ...shown }: StoredComparison): TariffComparison {
  return shown;
}

/** All days of a comparison. */
export function wholeDays({ fromMonth, toMonth }: Pick<TariffComparison, 'fromMonth' | 'toMonth'>): Days {
  return { from: daysOfMonth(fromMonth).from, to: daysOfMonth(toMonth).to };
}

function packRow({ meterId, agreementId, from, to, present, costs, best, saving }: ComparedCustomer, whole: Days): Row {
  return [meterId, agreementId, from === whole.from && to === whole.to ? null : [from, to], present, best, saving, ...costs];
}

function unpackRow([meterId, agreementId, days, present, best, saving, ...costs]: Row, whole: Days): ComparedCustomer {
  const [from, to] = days ?? [whole.from, whole.to];
  return { meterId, agreementId, from, to, present, costs, best, saving };
}

function pieceKey(id: string, piece: number): string {
  return `${id}/${sortableNumber(piece)}`;
}
