import { once } from 'node:events';
import { Socket } from 'node:net';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { OperationalError } from '../../../runtime/errors.ts';
import type { DatabaseAddress } from './database-address.ts';
import { databaseError } from './database-errors.ts';

/** One connection to the database. Every call ends within a bound, whatever has become of the server. */

export interface SessionTimeouts {
  /** For the connection with its handshake. */
  connectMs: number;
  /** After it the server cancels a statement, apart from those that rewrite tables. */
  statementMs: number;
}

/** A server that is there answers or cancels by then; one that hangs, or a dead network, does not. */
const ANSWER_GRACE_MS = 5_000;
/** A lock that others hold this long (a table that is being altered) is waited for between attempts instead of within one. */
const LOCK_TIMEOUT_MS = 10_000;
/** Longer than rewriting a large table takes. */
const REWRITE_MS = 24 * 3_600_000;
/** The server ends a session that stands in a transaction: it would hold back the cleaning up of all tables. */
const IDLE_IN_TRANSACTION_MS = 60_000;
/** A connection that a firewall forgets is found out by then. */
const KEEP_ALIVE_DELAY_MS = 10_000;
/** An orderly goodbye takes no longer. */
const END_TIMEOUT_MS = 2_000;
const APPLICATION_NAME_CHARS_MAX = 63;

/** What a session of the engine relies on, whatever the database's defaults are. */
function settings(statementMs: number): string {
  return [
    `SET statement_timeout = ${statementMs}`,
    `SET lock_timeout = ${LOCK_TIMEOUT_MS}`,
    `SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`,
    // What a commit was confirmed for is forgotten elsewhere.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    // Doubles come back as they were.
    'SET extra_float_digits = 1',
    // Batches are too short for it to pay.
    'SET jit = off',
    // The number of rows of one batch that lie in compressed chunks is bounded by the batch.
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'",
  ].join(';');
}

export class DatabaseSession {
  readonly address: DatabaseAddress;
  private readonly client: pg.Client;
  private readonly socket: Socket;
  private readonly answerMs: number;
  private broken = false;

  private constructor(address: DatabaseAddress, name: string, timeouts: SessionTimeouts) {
    this.address = address;
    this.answerMs = timeouts.statementMs + ANSWER_GRACE_MS;
    this.socket = new Socket();
    this.client = new pg.Client({
      connectionString: address.url,
      application_name: name.slice(0, APPLICATION_NAME_CHARS_MAX),
      connectionTimeoutMillis: timeouts.connectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      // Held here, because a connection that does not answer can only be destroyed.
      stream: () => this.socket,
    });
    // What breaks between two calls; calls under way are told by themselves.
    this.client.on('error', () => this.destroy());
  }

  /** Connects and prepares the session. Rejects with OperationalError. */
  static async open(address: DatabaseAddress, name: string, timeouts: SessionTimeouts): Promise<DatabaseSession> {
    let session: DatabaseSession | null = null;
    try {
      session = new DatabaseSession(address, name, timeouts);
      const { client } = session;
      await session.bounded(client.connect(), timeouts.connectMs + ANSWER_GRACE_MS);
      await session.run(settings(timeouts.statementMs));
      return session;
    } catch (error) {
      session?.destroy();
      throw databaseError(error, address);
    }
  }

  /** No call will pass any more. */
  get isBroken(): boolean {
    return this.broken;
  }

  /** One statement with its values. Rejects as the database says it (`databaseError` makes it presentable). */
  query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<pg.QueryResult<Row>> {
    return this.bounded(this.client.query<Row>(text, values), this.answerMs);
  }

  /** Statements with `;` between them, in one message; gives what each said. Rejects at the first that fails. */
  run(statements: string): Promise<pg.QueryResult[]> {
    return this.runWithin(statements, this.answerMs);
  }

  /** The same for statements that may rewrite whole tables. Within a transaction. */
  async runRewrite(statements: string): Promise<pg.QueryResult[]> {
    await this.run('SET LOCAL statement_timeout = 0');
    return this.runWithin(statements, REWRITE_MS);
  }

  /** `COPY … FROM STDIN` with everything it reads. `bytes` are borrowed until it settles, and may still be read after a rejection. */
  async copyIn(statement: string, bytes: Buffer): Promise<void> {
    const stream = this.client.query(copyFrom(statement));
    // It may fail a second time while the rest of the bytes drains.
    stream.on('error', () => {});
    const finished = once(stream, 'finish');
    // In one piece: the stream would go on with a second one after the server has refused.
    stream.end(bytes);
    await this.bounded(finished, this.answerMs);
  }

  /** Says goodbye. Never rejects. */
  async close(): Promise<void> {
    if (!this.broken) await this.bounded(this.client.end(), END_TIMEOUT_MS).catch(() => {});
    this.destroy();
  }

  /** Cuts the connection off. The server rolls back what was not committed. */
  destroy(): void {
    this.broken = true;
    this.socket.destroy();
  }

  private async runWithin(statements: string, boundMs: number): Promise<pg.QueryResult[]> {
    // pg gives a list when there are several, and its types do not know.
    const answer = (await this.bounded(this.client.query(statements), boundMs)) as pg.QueryResult | pg.QueryResult[];
    return Array.isArray(answer) ? answer : [answer];
  }

  private async bounded<T>(call: Promise<T>, boundMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new OperationalError('unavailable', `the database ${this.address.label} did not answer within ${boundMs} ms`, { retryable: true }));
        this.destroy();
      }, boundMs);
    });
    // Rejected by the destroyed socket when it was late.
    call.catch(() => {});
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Text as a literal of SQL, whatever is in it. */
export function literal(text: string): string {
  return pg.escapeLiteral(text);
}
