import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** A database of its own on a server that others may use, too. */
export interface FreshDatabase {
  url: string;
  /** Rows of one statement, each statement in a session of its own. */
  rows<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** A session that the caller ends. */
  session(): Promise<pg.Client>;
  drop(): Promise<void>;
}

export async function freshDatabase(serverUrl: string, encoding: 'UTF8' | 'LATIN1' = 'UTF8'): Promise<FreshDatabase> {
  const name = `seg_test_${randomBytes(6).toString('hex')}`;
  await once(serverUrl, `CREATE DATABASE ${name} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    rows: (sql, values) => once(url.href, sql, values),
    session: () => connect(url.href),
    drop: async () => {
      await once(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function once<Row extends pg.QueryResultRow>(url: string, sql: string, values?: unknown[]): Promise<Row[]> {
  const client = await connect(url);
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  // Servers are stopped under it.
  client.on('error', () => {});
  await client.connect();
  return client;
}
