import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { pageOf } from '../../runtime/record-page.ts';
import { sortableNumber, type RecordTable } from '../../runtime/record-table.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import type { AuditEntry, AuditQuery, AuditRecord } from './protocol.ts';
import { sha256 } from './secrets.ts';

/**
 * Who changed what, when, and from where: only ever added to. Each entry holds the hash of the one before, so what is changed, put in or taken out later shows, as long as the newest hash is known: it is kept in another
 * table, which finds an end that is cut off. Whoever can write both files at will can make all of it anew; against that the newest hash has to be kept elsewhere (`seg verify` prints it).
 */

export const AUDIT_TABLE = 'audit-log';
export const AUDIT_HEAD_TABLE = 'audit-head';
const HEAD_KEY = 'head';
const NONE_BEFORE = '0'.repeat(64);
/** Longer ones are cut: paths and names come from clients. */
const TEXT_CHARS_MAX = 512;
/** A page's worth of entries that are looked at for one that fits, in one turn; the page is short then. */
const LOOKED_AT_MAX = 5_000;

export interface AuditHead {
  seq: number;
  hash: string;
}

const BEFORE_ALL: AuditHead = { seq: 0, hash: NONE_BEFORE };

export class AuditLog {
  private readonly entries: StagedTable<AuditRecord>;
  private readonly heads: StagedTable<AuditHead>;

  constructor(staged: StagedStore) {
    this.entries = staged.table(AUDIT_TABLE);
    this.heads = staged.table(AUDIT_HEAD_TABLE);
  }

  append(entry: AuditEntry): void {
    const head = this.heads.get(HEAD_KEY) ?? BEFORE_ALL;
    const record = sealed(entry, head);
    this.entries.put(sortableNumber(record.seq), record);
    this.heads.put(HEAD_KEY, { seq: record.seq, hash: record.hash });
  }

  /** Newest first. Throws `bad_cursor`. */
  page({ by, action, from, to, limit, cursor }: AuditQuery): Page<AuditRecord> {
    if (cursor !== null && !/^[1-9]\d{0,14}$/.test(cursor)) throw new OperationalError('bad_cursor', 'the cursor is of no page');
    const rows = this.entries.range({ from: '', to: cursor === null ? afterPrefix('') : sortableNumber(Number(cursor)), reverse: true });
    const fits = (record: AuditRecord): boolean => (by === null || record.by === by) && (action === null || record.action === action) && record.at >= from && record.at < to;
    let lookedAt = 0;
    let last: AuditRecord | null = null;
    const page = pageOf(upTo(rows, () => lookedAt++ < LOOKED_AT_MAX), limit, ({ record }) => (fits((last = record)) ? record : null), ({ seq }) => String(seq));
    if (page.nextCursor !== null || lookedAt <= LOOKED_AT_MAX || last === null) return page;
    return { data: page.data, nextCursor: String((last as AuditRecord).seq) };
  }
}

function* upTo<T>(rows: Iterable<T>, mayGoOn: () => boolean): Generator<T> {
  for (const row of rows) {
    if (!mayGoOn()) return;
    yield row;
  }
}

function sealed({ at, by, byName, action, target, status, requestId, address }: AuditEntry, head: AuditHead): AuditRecord {
  const entry = { at, by: cut(by), byName: cut(byName), action: cut(action), target: cut(target), status, requestId: cut(requestId), address: cut(address), seq: head.seq + 1, before: head.hash };
  return { ...entry, hash: hashOf(entry) };
}

function hashOf({ seq, at, by, byName, action, target, status, requestId, address, before }: Omit<AuditRecord, 'hash'>): string {
  return sha256(JSON.stringify([seq, at, by, byName, action, target, status, requestId, address, before]));
}

/** Also makes whole text of it: half of a surrogate pair would come back from the disk as another character. */
function cut(text: string): string {
  return Buffer.from(text.slice(0, TEXT_CHARS_MAX)).toString();
}

/** Reads all of the chain; calls back for each entry that does not follow from the one before. Gives its end. */
export function verifyAuditLog(entries: RecordTable<AuditRecord>, heads: RecordTable<AuditHead>, onFinding: (where: string, problem: string) => void): AuditHead {
  let head = BEFORE_ALL;
  for (const { key, record } of entries.range()) {
    const where = `audit entry ${record.seq}`;
    if (key !== sortableNumber(record.seq)) onFinding(where, 'lies under the number of another');
    if (record.seq !== head.seq + 1) onFinding(where, `follows entry ${head.seq}: some between are missing`);
    else if (record.before !== head.hash) onFinding(where, 'does not follow from the one before: one of the two was changed');
    if (record.hash !== hashOf(record)) onFinding(where, 'is not what was written');
    head = { seq: record.seq, hash: record.hash };
  }
  const kept = heads.get(HEAD_KEY) ?? BEFORE_ALL;
  if (kept.seq !== head.seq || kept.hash !== head.hash) onFinding('audit log', `ends with entry ${head.seq}, and was written up to ${kept.seq}`);
  return head;
}
