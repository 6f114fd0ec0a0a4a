import { invariant } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import { ALERTS_LANE, BEGINNING, BILLING_LANE, type SinkBatch, type SinkWriter, type WriteReport } from '../protocol.ts';
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
  /** Names the engine, or the engines that share a log, among all that write to this database: cursors are kept by it. */
  engineId: string;
  /** Writes that may go side by side, each over a connection of its own: the pump's slots. */
  slots: number;
  /** Other engines write under the same name, and take shards from this one: cursors move without a fault. */
  isShared?: boolean;
  retention?: RetentionOptions;
  timeouts?: SessionTimeouts;
  log: Log;
}

/**
 * A batch takes a tenth of a second as a rule. One that corrects 5,000 meters in a compressed day brings millions of rows to light and took 11 s
 * (TimescaleDB 2.22, two busy cores); it must pass on slower machines too, or it would be tried again for ever.
 */
const TIMEOUTS: SessionTimeouts = { connectMs: 10_000, statementMs: 120_000 };

/** Whose session one is, where it is not a shard's. */
const SUPERVISORS: Readonly<Record<number, string>> = { [ALERTS_LANE]: 'alerts', [BILLING_LANE]: 'bills' };

/** Throws OperationalError `invalid_url`. Nothing is connected before `open`. */
export function timescaleWriter(options: TimescaleOptions): SinkWriter {
  return new TimescaleWriter(options, databaseAddress(options.url));
}

interface SlotLine {
  session: DatabaseSession | null;
  copy: BinaryCopy;
  isWriting: boolean;
}

class TimescaleWriter implements SinkWriter {
  readonly name = 'timescale';
  private readonly options: TimescaleOptions;
  private readonly address: DatabaseAddress;
  private readonly timeouts: SessionTimeouts;
  /** By slot. */
  private readonly lines: readonly SlotLine[];
  /** Where shards' cursors stand as far as this process knows; those without one are left out. */
  private positions = new Map<number, string>();
  private readonly said = new Set<string>();
  private opened = false;
  private closed = false;

  constructor(options: TimescaleOptions, address: DatabaseAddress) {
    this.options = options;
    this.address = address;
    this.timeouts = options.timeouts ?? TIMEOUTS;
    this.lines = Array.from({ length: options.slots }, () => ({ session: null, copy: new BinaryCopy(), isWriting: false }));
  }

  /** May be called again whenever nothing is being written; connections that are well stay. */
  async open(): Promise<(shard: number) => string | null> {
    invariant(this.lines.every(({ isWriting }) => !isWriting), 'a writer is opened when nothing is being written');
    const session = await DatabaseSession.open(this.address, 'seg sink: preparing', this.timeouts);
    try {
      await this.prepare(session);
      const { rows } = await session.query<{ shard: number; position: string }>('SELECT shard, position FROM sink_cursors WHERE engine_id = $1', [this.options.engineId]);
      const positions = new Map(rows.map(({ shard, position }) => [shard, position]));
      this.positions = positions;
      this.opened = true;
      // Not null: what the shard notes of a database that was wiped since would leave out all that it held.
      return (shard) => positions.get(shard) ?? BEGINNING;
    } catch (error) {
      throw databaseError(error, this.address);
    } finally {
      await session.close();
    }
  }

  async write(batch: SinkBatch, slot = batch.shard): Promise<WriteReport> {
    invariant(this.opened && !this.closed, 'a batch is written between open and close');
    invariant(slot < this.lines.length, `slot ${slot} is one of ${this.lines.length}`);
    const line = this.lines[slot];
    invariant(!line.isWriting, `one batch is written in slot ${slot} at a time`);
    line.isWriting = true;
    try {
      // One that ended while nothing was written: the server was restarted.
      if (line.session?.isBroken !== false) line.session = await this.connect(batch.shard, slot);
      const { engineId, isShared = false } = this.options;
      const report = await writeBatch({ session: line.session, copy: line.copy, engineId, isShared, expected: this.positions.get(batch.shard) ?? null }, batch);
      this.positions.set(batch.shard, batch.position);
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

  private async connect(shard: number, slot: number): Promise<DatabaseSession> {
    const { engineId, isShared = false } = this.options;
    const session = await DatabaseSession.open(this.address, `seg sink: ${isShared ? `writer ${slot}` : (SUPERVISORS[shard] ?? `shard ${slot}`)} of ${engineId}`, this.timeouts);
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
