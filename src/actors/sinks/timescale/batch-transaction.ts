import { invariant, OperationalError } from '../../../runtime/errors.ts';
import { ALERTS_LANE, BILLING_LANE, laneName, type SetAside, type SinkBatch, type WriteReport } from '../protocol.ts';
import type { BinaryCopy } from './binary-copy.ts';
import { isOfARow, isOfItsValues, reasonOf } from './database-errors.ts';
import { literal, type DatabaseSession } from './database-session.ts';
import type { RowSet } from './row-sets.ts';
import { rowSetsOf } from './sink-tables.ts';

/**
 * One batch in one transaction: rows, what was set aside, and the shard's cursor. First all of it at once; when a row is refused, again in
 * halves down to that row.
 */

export interface BatchTarget {
  session: DatabaseSession;
  copy: BinaryCopy;
  engineId: string;
  /** As TimescaleOptions says. */
  isShared: boolean;
  /** Where the shard's cursor stood when this process last knew; null: nowhere yet. */
  expected: string | null;
}

/** So many rows that are all refused with the same words, which their values need not be the cause of, speak of the table and not of the rows. */
const SAME_REASON_ROWS_MIN = 10;

/** Writes the batch or nothing. Rejects as the database says it; the session is not in a transaction only when it resolved. */
export async function writeBatch(target: BatchTarget, batch: SinkBatch): Promise<WriteReport> {
  const rowSets = rowSetsOf(batch);
  try {
    return await writeAtOnce(target, batch, rowSets);
  } catch (error) {
    if (!isOfARow(error) || target.session.isBroken) throw error;
    await target.session.run('ROLLBACK');
    return await new BisectingWrite(target, batch).write(rowSets);
  }
}

async function writeAtOnce(target: BatchTarget, batch: SinkBatch, rowSets: readonly RowSet[]): Promise<WriteReport> {
  const { session, copy } = target;
  if (await beginOrFindWritten(target, batch)) return { written: 0, setAside: [] };
  for (const rows of rowSets) await stage(session, copy, rows, 0, rows.count);
  const upserts = rowSets.flatMap((rows) => rows.upserts);
  const answers = await session.run([...upserts, moveCursor(target, batch)].join(';'));
  await commit(session);
  return { written: rowsChanged(answers.slice(0, upserts.length)), setAside: [] };
}

/**
 * In a message of its own, sent when all rows are in place and locked. Behind the upserts in their message, the server would carry it out for a
 * session that was given up for lost meanwhile, and put old regional windows over what another shard has written since.
 */
async function commit(session: DatabaseSession): Promise<void> {
  const [{ command }] = await session.run('COMMIT');
  // A transaction that had failed would end with ROLLBACK, and no error.
  invariant(command === 'COMMIT', 'the transaction of a batch was committed');
}

function rowsChanged(answers: readonly { rowCount: number | null }[]): number {
  return answers.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0);
}

/**
 * Begins the transaction and holds the shard's cursor, so that a session of this engine that was given up for lost cannot write an older
 * batch beside this one. Gives true, with the transaction ended, when this very batch was committed before and only the answer was lost.
 */
async function beginOrFindWritten({ session, engineId, isShared, expected }: BatchTarget, { shard, position }: SinkBatch): Promise<boolean> {
  const [, { rows }] = await session.run(`BEGIN; SELECT position FROM sink_cursors WHERE engine_id = ${literal(engineId)} AND shard = ${shard} FOR UPDATE`);
  const found = (rows as { position: string }[]).at(0)?.position ?? null;
  if (found === expected) return false;
  if (found !== position) throw cursorMoved(shard, session.address.label, isShared);
  await session.run('COMMIT');
  return true;
}

function cursorMoved(shard: number, where: string, isShared: boolean): OperationalError {
  return new OperationalError('cursor_moved', `the cursor of ${whoMovedIt(shard, where, isShared)}`, { retryable: true });
}

function whoMovedIt(shard: number, where: string, isShared: boolean): string {
  if (!isShared) {
    return `${laneName(shard)} in ${where} was moved by another session; it has to be asked for again. When this is said over and over, another engine runs on a copy of this data directory: stop it and take "id" out of the copy's engine.json, so that it gets one of its own, as seg restore does`;
  }
  if (shard === ALERTS_LANE) return `the alerts in ${where} was moved by another engine; it has to be asked for again. When this is said over and over, several engines of the group have SEG_ALERTS=on: exactly one may`;
  if (shard === BILLING_LANE) return `the bills in ${where} was moved by another engine; it has to be asked for again. When this is said over and over, several engines of the group have SEG_BILLING=on: exactly one may`;
  return `partition ${shard} in ${where} was moved by the engine that has the partition too, before or after this one; it has to be asked for again`;
}

function moveCursor({ engineId, expected }: BatchTarget, { shard, position }: SinkBatch): string {
  // Without ON CONFLICT: two sessions that both found none must not both go on.
  return expected === null
    ? `INSERT INTO sink_cursors (engine_id, shard, position) VALUES (${literal(engineId)}, ${shard}, ${literal(position)})`
    : `UPDATE sink_cursors SET position = ${literal(position)}, updated_at = now() WHERE engine_id = ${literal(engineId)} AND shard = ${shard}`;
}

async function stage(session: DatabaseSession, copy: BinaryCopy, rows: RowSet, from: number, to: number): Promise<void> {
  copy.begin();
  for (let i = from; i < to; i++) rows.encode(copy, i);
  await session.copyIn(`COPY pg_temp.${rows.stage} FROM STDIN (FORMAT binary)`, copy.finish());
}

interface Refusal extends SetAside {
  payload: string;
}

/** Writes what passes and sets aside what does not. Costs some four messages for each halving, so about 50 for one bad row in 5,000. */
class BisectingWrite {
  private readonly target: BatchTarget;
  private readonly batch: SinkBatch;
  private readonly refusals: Refusal[] = [];
  private written = 0;

  constructor(target: BatchTarget, batch: SinkBatch) {
    this.target = target;
    this.batch = batch;
  }

  async write(rowSets: readonly RowSet[]): Promise<WriteReport> {
    const { session } = this.target;
    if (await beginOrFindWritten(this.target, this.batch)) return { written: 0, setAside: [] };
    // What a constraint would say at the commit, when it is too late to know the row.
    await session.run('SET CONSTRAINTS ALL IMMEDIATE');
    for (const rows of rowSets) await this.writeSet(rows);
    await this.noteRefusals();
    await session.run(moveCursor(this.target, this.batch));
    await commit(session);
    return { written: this.written, setAside: this.refusals.map(({ what, reason }) => ({ what, reason })) };
  }

  private async writeSet(rows: RowSet): Promise<void> {
    const errors: unknown[] = [];
    await this.writeRange(rows, 0, rows.count, errors);
    const [first] = errors;
    const sameForAll = errors.length === rows.count && rows.count >= SAME_REASON_ROWS_MIN && errors.every((error) => !isOfItsValues(error) && reasonOf(error) === reasonOf(first));
    if (sameForAll) throw new OperationalError('database_refused', `${this.target.session.address.label} refuses every row: ${reasonOf(first)}`, { cause: first });
  }

  /** Adds to `errors` what each refused row was refused with. */
  private async writeRange(rows: RowSet, from: number, to: number, errors: unknown[]): Promise<void> {
    const { session } = this.target;
    await session.run('SAVEPOINT seg_rows');
    try {
      await stage(session, this.target.copy, rows, from, to);
      const answers = await session.run([...rows.upserts, `TRUNCATE pg_temp.${rows.stage}`, 'RELEASE SAVEPOINT seg_rows'].join(';'));
      this.written += rowsChanged(answers.slice(0, rows.upserts.length));
      return;
    } catch (error) {
      if (!isOfARow(error) || session.isBroken) throw error;
      // Emptied too: what was rolled back still lies there, and would be looked through for each row to come.
      await session.run(`ROLLBACK TO SAVEPOINT seg_rows; RELEASE SAVEPOINT seg_rows; TRUNCATE pg_temp.${rows.stage}`);
      if (to - from === 1) {
        errors.push(error);
        this.refusals.push({ what: rows.describe(from), reason: reasonOf(error), payload: JSON.stringify(rows.payload(from)) });
        return;
      }
    }
    const middle = (from + to) >>> 1;
    await this.writeRange(rows, from, middle, errors);
    await this.writeRange(rows, middle, to, errors);
  }

  private async noteRefusals(): Promise<void> {
    const { session, engineId } = this.target;
    for (const { what, reason, payload } of this.refusals) {
      await session.query('INSERT INTO sink_set_aside (engine_id, shard, what, reason, payload) VALUES ($1, $2, $3, $4, $5)', [
        engineId,
        this.batch.shard,
        ...[what, reason, payload].map(plainText),
      ]);
    }
  }
}

/** The text in characters that every database can hold: all others as \uXXXX, which JSON reads back. */
function plainText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
