import { OperationalError } from '../../../runtime/errors.ts';

/** A database as its URL names it. */
export interface DatabaseAddress {
  /** With user and password: for the connection alone, never for a log or an error. */
  readonly url: string;
  /** `host:port/database`: what may be said. */
  readonly label: string;
}

const PORT_DEFAULT = '5432';

/** Throws OperationalError `invalid_url`, without repeating what was given: it may hold a password. */
export function databaseAddress(url: string): DatabaseAddress {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !['postgres:', 'postgresql:'].includes(parsed.protocol)) {
    throw new OperationalError('invalid_url', 'the URL of the database is not of the form postgres://user:password@host:port/database; characters such as / @ : # in a password are written %2F %40 %3A %23');
  }
  const host = parsed.hostname || parsed.searchParams.get('host') || 'localhost';
  const database = decoded(parsed.pathname.slice(1)) || decoded(parsed.username);
  return { url, label: `${host}:${parsed.port || PORT_DEFAULT}/${database}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
