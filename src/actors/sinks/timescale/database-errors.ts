import { OperationalError } from '../../../runtime/errors.ts';
import { ValueRefused } from './binary-copy.ts';
import type { DatabaseAddress } from './database-address.ts';

/**
 * What the database and the way to it can say, and what to do about it. Codes of five characters are PostgreSQL's
 * (errcodes-appendix.html), the others Node's.
 */

/** The way to the database, or the database, is not there for now. */
const AWAY = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'ENOENT',
  // A name may be known later: containers that start together.
  'ENOTFOUND', 'EAI_AGAIN',
  // Waited too long for a lock; in use; stood idle, or took too long, in a transaction.
  '55P03', '55006', '25P03', '25P04',
  // A standby that may yet become the primary.
  '25006',
]);
/** The same by the first two characters: connection lost, rolled back for others' sake, out of resources, cancelled or shut down, trouble of the system. */
const AWAY_CLASSES = new Set(['08', '40', '53', '57', '58']);

/** Each with what to do about it. */
const WAYS_OUT: Readonly<Record<string, { code: string; wayOut: string }>> = {
  '28P01': { code: 'access_denied', wayOut: 'check user and password of the URL' },
  '28000': { code: 'access_denied', wayOut: "check the user of the URL, and that the server's pg_hba.conf lets it in from here" },
  '3D000': { code: 'no_such_database', wayOut: 'create it, or correct the URL' },
  '42501': { code: 'access_denied', wayOut: 'the user needs CREATE on the schema for the first start, TEMPORARY on the database, and SELECT, INSERT, UPDATE on the tables' },
  '3F000': { code: 'schema_missing', wayOut: 'create the schema, or correct the search_path' },
  '42P01': { code: 'schema_missing', wayOut: 'restore the table, or let this engine make all of them anew: drop what is left of them and the table sink_migrations' },
  '42703': { code: 'schema_missing', wayOut: 'restore the column: the tables are no longer as this engine made them' },
  '42P07': { code: 'schema_taken', wayOut: 'a table of that name was there before this engine; use another database, or a schema of its own (search_path)' },
  '42P10': { code: 'schema_missing', wayOut: 'restore the primary key: the tables are no longer as this engine made them' },
  DEPTH_ZERO_SELF_SIGNED_CERT: { code: 'tls_failed', wayOut: 'give its certificate authority with sslrootcert in the URL' },
  SELF_SIGNED_CERT_IN_CHAIN: { code: 'tls_failed', wayOut: 'give its certificate authority with sslrootcert in the URL' },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { code: 'tls_failed', wayOut: 'give its certificate authority with sslrootcert in the URL' },
  CERT_HAS_EXPIRED: { code: 'tls_failed', wayOut: "renew the server's certificate" },
  ERR_TLS_CERT_ALTNAME_INVALID: { code: 'tls_failed', wayOut: "use the name in the URL that the server's certificate is for" },
};

/** Classes of errors that a row's own values cause: data, constraints, cardinality, limits, a view's check option. */
const DATA_CLASSES = new Set(['22', '23', '21', '54', '44']);
/** Classes that have nothing to do with a row: access, transaction states, catalog names, syntax and rights, damage. */
const NEVER_OF_A_ROW = new Set(['28', '3D', '3F', '25', '2D', '0B', '0L', '0P', '26', '34', '3B', '42', 'F0', 'XX']);

/** Refusals that TimescaleDB files under `feature not supported` though they are about the chunk that a row belongs to. */
const OF_A_CHUNK = /chunk/;

/** Turns whatever a call to the database threw into an OperationalError that says what to do. No part of the URL but host, port and database is in it. */
export function databaseError(error: unknown, address: DatabaseAddress): OperationalError {
  if (error instanceof OperationalError) return error;
  const code = codeOf(error);
  const message = messageOf(error);
  const known = code === null ? undefined : WAYS_OUT[code];
  if (known !== undefined) return new OperationalError(known.code, `the database ${address.label} says: ${message}; ${known.wayOut}`, { cause: error });
  if (isAway(error)) return new OperationalError('unavailable', `the database ${address.label} is away: ${message}`, { retryable: true, cause: error });
  if (/does not support SSL/.test(message)) return new OperationalError('tls_failed', `the database ${address.label} takes no encrypted connections; switch them on there, or sslmode off in the URL`, { cause: error });
  if (/^SASL: .*password/.test(message)) return new OperationalError('access_denied', `the database ${address.label} wants a password; give it in the URL`, { cause: error });
  const what = code === null ? `could not be used: ${message}` : `refuses: ${message} (${code})`;
  return new OperationalError('database_refused', `the database ${address.label} ${what}`, { cause: error });
}

/** Whether one row of a batch may be the cause, so that the others could pass without it. */
export function isOfARow(error: unknown): boolean {
  if (error instanceof ValueRefused) return true;
  const code = codeOf(error);
  if (code === null || code.length !== 5 || isAway(error)) return false;
  return code === '0A000' ? OF_A_CHUNK.test(messageOf(error)) : !NEVER_OF_A_ROW.has(code.slice(0, 2));
}

/** Whether the row's values alone are the cause, whatever happens to other rows. */
export function isOfItsValues(error: unknown): boolean {
  return error instanceof ValueRefused || DATA_CLASSES.has(codeOf(error)?.slice(0, 2) ?? '');
}

/** What the database says against a row, in one line: code, message and constraint. */
export function reasonOf(error: unknown): string {
  const { constraint } = error as { constraint?: unknown };
  const code = codeOf(error);
  return `${messageOf(error)}${code === null ? '' : ` (${code}${typeof constraint === 'string' ? `, ${constraint}` : ''})`}`;
}

/** The code of PostgreSQL or Node, or null. */
export function codeOf(error: unknown): string | null {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : null;
}

function isAway(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== null && (AWAY.has(code) || (code.length === 5 && AWAY_CLASSES.has(code.slice(0, 2))))) return true;
  // What pg says without a code.
  return code === null && /^(Connection terminated|timeout expired|Client (was closed|has encountered)|Query read timeout|timeout exceeded)/.test(messageOf(error));
}

function messageOf(error: unknown): string {
  // A name with several addresses: each was tried.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
