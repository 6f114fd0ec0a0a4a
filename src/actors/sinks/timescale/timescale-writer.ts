import { invariant } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import { BEGINNING, type SinkBatch, type SinkWriter, type WriteReport } from '../protocol.ts';
import { writeBatch } from './batch-transaction.ts';
import { BinaryCopy } from './binary-copy.ts';
import { databaseAddress, type DatabaseAddress } from './database-address.ts';
import { databaseError } from './database-errors.ts';
import { DatabaseSession, type SessionTimeouts } from './database-session.ts';
import { ensureHypertables, findExtension, RETENTION_DEFAULTS, type RetentionOptions } from './hypertables.ts';
import { migrate } from './migrations.ts';
import { CREATE_STAGES } from './sink-tables.ts';

/** Writes what shards send to TimescaleDB, or to PostgreSQL without it, exactly once: rows and cursor are one transaction. */

export interface TimescaleOptions {
  /** `postgres://user:password@host:port/database`. */
  url: string;
  /** Names the engine among all that write to this database: cursors are kept by it. */
  engineId: string;
  /** They are numbered from 0; each has a connection of its own. */
  shards: number;
  retention?: RetentionOptions;
  timeouts?: SessionTimeouts;
  log: Log;
}

/**
 * A batch takes a tenth of a second as a rule. One that corrects 5,000 meters in a compressed day brings millions of rows to light and took 11 s
 * (TimescaleDB 2.22, two busy cores); it must pass on slower machines too, or it would be tried again for ever.
 */
const TIMEOUTS: SessionTimeouts = { connectMs: 10_000, statementMs: 120_000 };

/** Throws OperationalError `invalid_url`. Nothing is connected before `open`. */
export function timescaleWriter(options: TimescaleOptions): SinkWriter {
  return new TimescaleWriter(options, databaseAddress(options.url));
}

interface ShardLine {
  session: DatabaseSession | null;
  copy: BinaryCopy;
  /** Where the cursor stands as far as this process knows. */
  position: string | null;
  isWriting: boolean;
}

class TimescaleWriter implements SinkWriter {
  readonly name = 'timescale';
  private readonly options: TimescaleOptions;
  private readonly address: DatabaseAddress;
  private readonly timeouts: SessionTimeouts;
  private readonly lines: readonly ShardLine[];
  private readonly said = new Set<string>();
  private opened = false;
  private closed = false;

  constructor(options: TimescaleOptions, address: DatabaseAddress) {
    this.options = options;
    this.address = address;
    this.timeouts = options.timeouts ?? TIMEOUTS;
    this.lines = Array.from({ length: options.shards }, () => ({ session: null, copy: new BinaryCopy(), position: null, isWriting: false }));
  }

  /** May be called again whenever nothing is being written; connections that are well stay. */
  async open(): Promise<(shard: number) => string | null> {
    invariant(this.lines.every(({ isWriting }) => !isWriting), 'a writer is opened when nothing is being written');
    const session = await DatabaseSession.open(this.address, 'seg sink: preparing', this.timeouts);
    try {
      await this.prepare(session);
      const { rows } = await session.query<{ shard: number; position: string }>('SELECT shard, position FROM sink_cursors WHERE engine_id = $1', [this.options.engineId]);
      const positions = new Map(rows.map(({ shard, position }) => [shard, position]));
      for (const [shard, line] of this.lines.entries()) line.position = positions.get(shard) ?? null;
      this.opened = true;
      // Not null: what the shard notes of a database that was wiped since would leave out all that it held.
      return (shard) => positions.get(shard) ?? BEGINNING;
    } catch (error) {
      throw databaseError(error, this.address);
    } finally {
      await session.close();
    }
  }

  async write(batch: SinkBatch): Promise<WriteReport> {
    invariant(this.opened && !this.closed, 'a batch is written between open and close');
    invariant(batch.shard < this.lines.length, `shard ${batch.shard} is one of ${this.lines.length}`);
    const line = this.lines[batch.shard];
    invariant(!line.isWriting, `one batch of shard ${batch.shard} is written at a time`);
    line.isWriting = true;
    try {
      // One that ended while nothing was written: the server was restarted.
      if (line.session?.isBroken !== false) line.session = await this.connect(batch.shard);
      const report = await writeBatch({ session: line.session, copy: line.copy, engineId: this.options.engineId, expected: line.position }, batch);
      line.position = batch.position;
      return report;
    } catch (error) {
      // Whatever state it is in: the server rolls back, and nothing is left standing in a transaction.
      line.session?.destroy();
      line.session = null;
      throw databaseError(error, this.address);
    } finally {
      line.isWriting = false;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(
      this.lines.map(async (line) => {
        await line.session?.close();
        line.session = null;
      }),
    );
  }

  private async prepare(session: DatabaseSession): Promise<void> {
    const { log } = this.options;
    const applied = await migrate(session);
    if (applied.length > 0) log.info({ steps: applied, database: this.address.label }, 'the tables of the database were prepared');
    const extension = await findExtension(session, this.timeouts, (message) => this.sayOnce(() => log.warn({ database: this.address.label }, message), message));
    if (extension !== null) await ensureHypertables(session, extension, this.options.retention ?? RETENTION_DEFAULTS, log);
    const kind = extension === null ? 'plain PostgreSQL: no compression, and old windows are kept' : `TimescaleDB ${extension.version}`;
    this.sayOnce(() => log.info({ database: this.address.label, kind }, 'writing to the database'), kind);
  }

  private async connect(shard: number): Promise<DatabaseSession> {
    const session = await DatabaseSession.open(this.address, `seg sink: shard ${shard} of ${this.options.engineId}`, this.timeouts);
    try {
      await session.run(CREATE_STAGES);
      return session;
    } catch (error) {
      session.destroy();
      throw error;
    }
  }

  /** A line that every reconnection would repeat. */
  private sayOnce(say: () => void, key: string): void {
    if (this.said.has(key)) return;
    this.said.add(key);
    say();
  }
}
