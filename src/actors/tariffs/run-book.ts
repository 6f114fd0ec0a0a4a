import type { BillingRun } from '../../model/billing.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { checkCursor, pageOf } from '../../runtime/record-page.ts';
import { NO_INCOMPLETE } from './incomplete-bills.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/** Faults of a run that are kept; `failed` counts all. */
export const RUN_FAULTS_MAX = 1_000;

/** Runs that were stored by engines that did not count them have no counts of incomplete bills. */
type StoredRun = Omit<BillingRun, 'incomplete'> & Partial<Pick<BillingRun, 'incomplete'>>;

/** Monthly runs: one for a month. Those under way are few and in memory. */
export class RunBook {
  private readonly table: StagedTable<StoredRun>;
  private readonly open = new Map<string, BillingRun>();

  constructor(staged: StagedStore) {
    this.table = staged.table('runs');
  }

  load(): void {
    for (const { record } of this.table.range({ from: '', to: afterPrefix('') })) if (isOpen(record)) this.open.set(record.id, withCounts(record));
  }

  /** Those under way, the oldest month first. */
  underWay(): BillingRun[] {
    return [...this.open.values()].sort((a, b) => (a.month < b.month ? -1 : 1));
  }

  /** Throws `unknown_run`. */
  get(id: string): BillingRun {
    const found = this.find(id);
    if (found === null) throw new OperationalError('unknown_run', `there is no run ${id}`);
    return found;
  }

  /** The newest month first, from after `cursor`. Throws `bad_cursor`. */
  page(limit: number, cursor: string | null): Page<BillingRun> {
    checkCursor(cursor, /^run-\d{4}-\d\d$/);
    return pageOf(this.table.range({ from: '', to: cursor ?? afterPrefix(''), reverse: true }), limit, ({ record }) => withCounts(record), ({ id }) => id);
  }

  /** The one of the month, which goes on; one that has ended looks for agreements without an invoice anew. Throws `run_under_way` while one of another month is. */
  start(month: string, by: string, nowMs: number): BillingRun {
    const id = `run-${month}`;
    const known = this.find(id);
    if (known !== null && isOpen(known)) return known;
    const [other] = this.open.values();
    if (other !== undefined) throw new OperationalError('run_under_way', `the run of ${other.month} is under way; start that of ${month} when it is done`);
    const run: BillingRun = {
      ...{ id, month, state: 'running', startedAt: nowMs, startedBy: by, endedAt: null },
      ...{ agreements: 0, done: 0, issued: known?.issued ?? 0, incomplete: known === null || known.issued === 0 ? NO_INCOMPLETE : known.incomplete, faults: [], failed: 0, after: null },
    };
    this.put(run);
    return run;
  }

  private find(id: string): BillingRun | null {
    const found = this.table.get(id);
    return found === null ? null : withCounts(found);
  }

  put(run: BillingRun): void {
    this.table.put(run.id, run);
    if (isOpen(run)) this.open.set(run.id, run);
    else this.open.delete(run.id);
  }
}

function withCounts(run: StoredRun): BillingRun {
  return { ...run, incomplete: run.incomplete ?? null };
}

export function isOpen({ state }: StoredRun): boolean {
  return state === 'running' || state === 'paused';
}
