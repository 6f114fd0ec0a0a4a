import { createHmac, timingSafeEqual } from 'node:crypto';
import { invariant } from '../../runtime/errors.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import { EndIndex } from './end-index.ts';
import type { Peer, Session } from './protocol.ts';
import { isSameHash, newId, sha256, type RandomBytes } from './secrets.ts';

/**
 * Log-ins and their refresh tokens. A token counts once: using it gives the next. One that comes a second time was stolen, from whom nobody can tell, so the log-in ends for all who have it. A request that was only
 * doubled, by two tabs or a lost answer, comes within seconds: it gets the same next token.
 *
 * A token is 64 bytes: session, number in its family, 256 random bits, and a code over these (HMAC) that tells a spent token from one that somebody made up: who merely knows a session's id cannot end it. Of the random
 * bits the hash is kept. Those of the next follow from those before and from new random bits, which are kept as long as a request may be doubled: the same answer can be given again though no token is kept.
 */

/** Without being used. */
export const IDLE_MS = 14 * 86_400_000;
/** Whatever it is used for. */
const LIFE_MS = 90 * 86_400_000;
/** For a second tab, or an answer that was lost. */
export const DOUBLED_MS = 10_000;
/** More are browsers that forget theirs: the one that was used longest ago ends. */
export const SESSIONS_PER_USER_MAX = 100;
const USER_AGENT_CHARS_MAX = 200;

const ID_BYTES = 12;
const SECRET_BYTES = 32;
const CODE_BYTES = 16;
const SIGNED_BYTES = ID_BYTES + 4 + SECRET_BYTES;
const TOKEN_PREFIX = 'segr_';
const TOKEN_PATTERN = /^segr_[A-Za-z0-9_-]{86}$/;

interface SessionRecord extends Session {
  /** Number of the token that counts, from 1 on. */
  generation: number;
  /** SHA-256 in hex of its secret. */
  secretHash: string;
  /** The token before. */
  spent: { secretHash: string; at: number; /** base64url, by which the one that counts follows from it. */ salt: string } | null;
}

export type Rotation = { kind: 'rotated'; session: Session; refreshToken: string } | { kind: 'doubled'; session: Session; refreshToken: string } | { kind: 'reused'; session: Session } | { kind: 'invalid' };

export class SessionBook {
  private readonly sessions: StagedTable<SessionRecord>;
  private readonly ofUsers: StagedTable<boolean>;
  /** By when they are looked at next: at their end as it was when this was written. */
  private readonly ends: EndIndex;
  private readonly random: RandomBytes;
  private readonly codeKey: Uint8Array;

  /** `codeKey`: the secret by which tokens are told from what is none. */
  constructor(staged: StagedStore, random: RandomBytes, codeKey: Uint8Array) {
    this.sessions = staged.table('sessions');
    this.ofUsers = staged.table('user-sessions');
    this.ends = new EndIndex(staged, 'session-ends');
    this.random = random;
    this.codeKey = codeKey;
  }

  /** `idleMs`: how long it goes on without being used. */
  open(userId: string, peer: Peer, nowMs: number, idleMs: number): { session: Session; refreshToken: string; ended: Session[] } {
    const ended = this.makeRoom(userId);
    const secret = this.random(SECRET_BYTES);
    const record: SessionRecord = {
      id: newId('', this.random),
      userId,
      createdAt: nowMs,
      lastUsedAt: nowMs,
      expiresAt: nowMs + idleMs,
      address: peer.address,
      userAgent: peer.userAgent.slice(0, USER_AGENT_CHARS_MAX),
      generation: 1,
      secretHash: sha256(secret),
      spent: null,
    };
    this.sessions.put(record.id, record);
    this.ofUsers.put(`${userId}/${record.id}`, true);
    this.ends.add(record.expiresAt, record.id);
    return { session: sessionOf(record), refreshToken: this.tokenOf(record.id, 1, secret), ended };
  }

  /** Spends a refresh token. Where it was spent before, the session has ended. `idleMs` as of `open`; null: it goes on no longer than it would have. */
  rotate(token: string, peer: Peer, nowMs: number, idleMs: (userId: string) => number | null): Rotation {
    const read = this.read(token);
    const record = read === null ? null : this.sessions.get(read.sessionId);
    if (read === null || record === null || record.expiresAt <= nowMs) return { kind: 'invalid' };
    // From a time that a backup does not know of.
    if (read.generation > record.generation) return { kind: 'invalid' };
    const hash = sha256(read.secret);
    if (read.generation === record.generation && isSameHash(hash, record.secretHash)) return this.next(record, read.secret, peer, nowMs, idleMs(record.userId));
    const { spent } = record;
    if (read.generation === record.generation - 1 && spent !== null && isSameHash(hash, spent.secretHash) && nowMs - spent.at <= DOUBLED_MS) {
      const secret = follower(read.secret, Buffer.from(spent.salt, 'base64url'));
      return { kind: 'doubled', session: sessionOf(record), refreshToken: this.tokenOf(record.id, record.generation, secret) };
    }
    this.remove(record);
    return { kind: 'reused', session: sessionOf(record) };
  }

  /** The session of a token that counts, or that was the one before; null for any other. */
  ofToken(token: string): Session | null {
    const read = this.read(token);
    const record = read === null ? null : this.sessions.get(read.sessionId);
    if (read === null || record === null) return null;
    const hash = sha256(read.secret);
    return isSameHash(hash, record.secretHash) || (record.spent !== null && isSameHash(hash, record.spent.secretHash)) ? sessionOf(record) : null;
  }

  get(id: string): Session | null {
    const record = this.sessions.get(id);
    return record === null ? null : sessionOf(record);
  }

  /** Newest first. */
  ofUser(userId: string): Session[] {
    return this.recordsOf(userId).map(sessionOf).sort((a, b) => b.lastUsedAt - a.lastUsedAt);
  }

  end(id: string): Session | null {
    const record = this.sessions.get(id);
    if (record === null) return null;
    this.remove(record);
    return sessionOf(record);
  }

  endAll(userId: string): Session[] {
    const records = this.recordsOf(userId);
    for (const record of records) this.remove(record);
    return records.map(sessionOf);
  }

  /** Ends some, whosesoever; gives how many, 0 when there are none. */
  endSome(max: number): number {
    const some: SessionRecord[] = [];
    for (const { record } of this.sessions.range({ from: '', to: afterPrefix('') })) if (some.push(record) === max) break;
    for (const record of some) this.remove(record);
    return some.length;
  }

  /** When the next one is to be looked at; Infinity: there is none. */
  nextEndMs(): number {
    return this.ends.nextMs();
  }

  /** Takes out those whose time is over, some in each turn. */
  sweep(nowMs: number): void {
    for (const id of this.ends.takeOver(nowMs)) {
      const record = this.sessions.get(id);
      if (record === null) continue;
      if (record.expiresAt <= nowMs) this.remove(record);
      else this.ends.add(record.expiresAt, record.id);
    }
  }

  private next(record: SessionRecord, secret: Buffer, peer: Peer, nowMs: number, idleMs: number | null): Rotation {
    const salt = this.random(SECRET_BYTES);
    const nextSecret = follower(secret, salt);
    const after: SessionRecord = {
      ...record,
      generation: record.generation + 1,
      secretHash: sha256(nextSecret),
      spent: { secretHash: record.secretHash, at: nowMs, salt: salt.toString('base64url') },
      lastUsedAt: nowMs,
      expiresAt: idleMs === null ? record.expiresAt : Math.min(nowMs + idleMs, record.createdAt + LIFE_MS),
      address: peer.address,
      userAgent: peer.userAgent.slice(0, USER_AGENT_CHARS_MAX),
    };
    this.sessions.put(record.id, after);
    return { kind: 'rotated', session: sessionOf(after), refreshToken: this.tokenOf(record.id, after.generation, nextSecret) };
  }

  private makeRoom(userId: string): Session[] {
    const records = this.recordsOf(userId).sort((a, b) => a.lastUsedAt - b.lastUsedAt);
    const ended = records.slice(0, Math.max(0, records.length - SESSIONS_PER_USER_MAX + 1));
    for (const record of ended) this.remove(record);
    return ended.map(sessionOf);
  }

  private recordsOf(userId: string): SessionRecord[] {
    const keys = [...this.ofUsers.range({ from: `${userId}/`, to: afterPrefix(`${userId}/`) })];
    return keys.flatMap(({ key }) => this.sessions.get(key.slice(userId.length + 1)) ?? []);
  }

  /** What is left among `ends` goes when its time comes. */
  private remove({ id, userId }: SessionRecord): void {
    this.sessions.remove(id);
    this.ofUsers.remove(`${userId}/${id}`);
  }

  private tokenOf(sessionId: string, generation: number, secret: Buffer): string {
    const id = Buffer.from(sessionId, 'base64url');
    invariant(id.length === ID_BYTES, 'the id of a session has another length');
    const signed = Buffer.concat([id, numberBytes(generation), secret]);
    return TOKEN_PREFIX + Buffer.concat([signed, this.code(signed)]).toString('base64url');
  }

  /** null: none of ours. */
  private read(token: string): { sessionId: string; generation: number; secret: Buffer } | null {
    if (!TOKEN_PATTERN.test(token)) return null;
    const bytes = Buffer.from(token.slice(TOKEN_PREFIX.length), 'base64url');
    const signed = bytes.subarray(0, SIGNED_BYTES);
    const code = bytes.subarray(SIGNED_BYTES);
    if (code.length !== CODE_BYTES || !timingSafeEqual(code, this.code(signed))) return null;
    return { sessionId: bytes.subarray(0, ID_BYTES).toString('base64url'), generation: bytes.readUInt32BE(ID_BYTES), secret: signed.subarray(ID_BYTES + 4) };
  }

  private code(signed: Uint8Array): Buffer {
    return createHmac('sha256', this.codeKey).update('seg refresh 1\n').update(signed).digest().subarray(0, CODE_BYTES);
  }
}

/** The secret after one; nobody who lacks either can know it. */
function follower(secret: Uint8Array, salt: Uint8Array): Buffer {
  return createHmac('sha256', salt).update(secret).digest();
}

function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sessionOf({ id, userId, createdAt, lastUsedAt, expiresAt, address, userAgent }: SessionRecord): Session {
  return { id, userId, createdAt, lastUsedAt, expiresAt, address, userAgent };
}
