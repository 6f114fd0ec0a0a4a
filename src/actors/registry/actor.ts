import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MeterId } from '../../model/ids.ts';
import type { Page } from '../../model/queries.ts';
import { utcDay, type RegisteredMeter } from '../../model/registered-meter.ts';
import type { Clock, Timers } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { StagedStore } from '../../runtime/staged-store.ts';
import type { Store } from '../../runtime/store.ts';
import { TurnTaker } from '../../runtime/turn-taker.ts';
import { MeterBook, TrialBook } from './meter-book.ts';
import type { ImportOptions, ImportRow, MeterPatch, MeterPut, RegistryQuery, RowOutcome } from './protocol.ts';
import { RegistryReader } from './registry-reader.ts';
import { changeMeter, importRow, putMeter, removeMeter, type ChangeContext } from './registry-state.ts';

/** The registry of meters. Changes go in turns (runtime/turn-taker.ts); questions read what is on disk. */

/** Rows of an import that are read and judged at a stretch; then others have the event loop. */
const ROWS_AT_A_STRETCH = 100;
/** Rows of an import in one transaction: enough for the sync to cost little each, few enough to be written in some milliseconds of the event loop. */
const ROWS_A_TURN = 500;

export interface RegistryModules {
  store: Store;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** That the engine knows: with a meter, or a configured capacity. */
  regions(): ReadonlySet<string>;
  /** It has ended; called once at most. */
  onFailure(error: unknown): void;
}

export class RegistryActor {
  private readonly modules: RegistryModules;
  private readonly staged: StagedStore;
  private readonly book: MeterBook;
  private readonly reader: RegistryReader;
  private readonly turns: TurnTaker<'changes'>;

  constructor(modules: RegistryModules) {
    this.modules = modules;
    const { store, clock, timers, log } = modules;
    this.staged = new StagedStore(store);
    this.book = new MeterBook(this.staged);
    this.reader = new RegistryReader(store);
    this.turns = new TurnTaker<'changes'>(
      { name: 'registry', kinds: ['changes'], refusable: ['changes'] },
      {
        store,
        clock,
        timers,
        log,
        nextDueMs: () => Infinity,
        tick: () => undefined,
        flush: () => {
          this.staged.flush();
          return () => this.staged.settle();
        },
        onEnd: () => undefined,
        onFailure: (error) => modules.onFailure(error),
      },
    );
  }

  start(): void {
    this.turns.start();
  }

  /** Works off what waits, and ends. */
  stop(): Promise<void> {
    return this.turns.stop();
  }

  meter(meterId: MeterId): RegisteredMeter | null {
    return this.reader.get(meterId);
  }

  count(): number {
    return this.reader.count();
  }

  /** Throws `bad_cursor`. */
  page(query: RegistryQuery): Page<RegisteredMeter> {
    return this.reader.page(query, utcDay(this.modules.clock.now()));
  }

  /** Rejects as registry-state.ts says, or with `unavailable` or `mailbox_full` (both retryable). */
  put(put: MeterPut): Promise<RegisteredMeter> {
    return this.turn((nowMs) => putMeter(this.book, put, this.contextOf(put, nowMs)));
  }

  change(patch: MeterPatch): Promise<RegisteredMeter> {
    return this.turn((nowMs) => changeMeter(this.book, patch, this.contextOf({ by: patch.by, takesNewRegions: false }, nowMs)));
  }

  remove(meterId: MeterId, version: number | null): Promise<void> {
    return this.turn(() => removeMeter(this.book, meterId, version));
  }

  /**
   * Says what came of each row, in their order. Some hundred rows are one transaction: whoever was interrupted sends all of them again, and those that were written are unchanged then. `rows` are read as they are needed.
   */
  async importRows(rows: Iterable<ImportRow>, options: ImportOptions): Promise<RowOutcome[]> {
    const outcomes: RowOutcome[] = [];
    const book = options.isDryRun ? new TrialBook(this.book) : this.book;
    for await (const some of inStretches(rows)) {
      const judged = await this.turn((nowMs) => {
        const context = this.contextOf(options, nowMs);
        return some.map((row) => importRow(book, row, context));
      });
      outcomes.push(...judged);
    }
    return outcomes;
  }

  private turn<T>(apply: (nowMs: number) => T): Promise<T> {
    return this.turns.take('changes', apply);
  }

  private contextOf({ by, takesNewRegions }: Pick<ImportOptions, 'by' | 'takesNewRegions'>, nowMs: number): ChangeContext {
    return { nowMs, by, takesNewRegions, regions: this.modules.regions() };
  }
}

/** Rows in the sizes of turns; between stretches others have the event loop. */
async function* inStretches(rows: Iterable<ImportRow>): AsyncGenerator<ImportRow[]> {
  let some: ImportRow[] = [];
  for (const row of rows) {
    some.push(row);
    if (some.length % ROWS_AT_A_STRETCH === 0) await nextTurn();
    if (some.length < ROWS_A_TURN) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
