import { hash } from 'node:crypto';
import type { Principal } from '../model/access.ts';
import type { Clock } from '../runtime/clock.ts';
import type { HeaderFields } from './exchange.ts';
import type { Problem } from './problem-details.ts';

/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a write that is sent again with the key that it had is answered again and not done again. Answers are kept in memory, so after a restart of the engine the same
 * key is a new one; what must never count twice has a name of its own besides (the reference of a payment, the month of a run, a version in If-Match).
 */

/** How long an answer is kept. */
const KEPT_MS = 24 * 3_600_000;
/** All answers together, as characters of bodies and keys: some ten thousand of the usual size. Past either the oldest go. */
const KEPT_CHARS_MAX = 32 * 1024 * 1024;
const KEPT_ANSWERS_MAX = 50_000;
/** A UUID in quotation marks has 38. */
const KEY = /^"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"$|^([A-Za-z0-9._:~+/=-]{1,255})$/;

/** An answer as it was sent. */
export interface KeptAnswer {
  status: number;
  /** null: without a body. */
  type: string | null;
  body: string | Uint8Array;
  headers: HeaderFields;
}

interface Kept {
  fingerprint: string;
  /** null: it is being made. */
  answer: KeptAnswer | null;
  until: number;
  chars: number;
}

export interface KeyedWrite {
  /** Path and query as they were sent. */
  target: string;
  method: string;
  body: string;
}

/** The write is to be done, and what comes of it to be told; or the answer that there is. */
export type Begun = { kind: 'new'; done(answer: KeptAnswer | null): void } | { kind: 'again'; answer: KeptAnswer } | { kind: 'refused'; problem: Problem };

export class IdempotencyKeys {
  private readonly clock: Pick<Clock, 'monotonic'>;
  /** In the order in which they began. */
  private readonly kept = new Map<string, Kept>();
  private chars = 0;

  constructor({ clock }: { clock: Pick<Clock, 'monotonic'> }) {
    this.clock = clock;
  }

  begin(header: string, { id }: Principal, operationId: string, write: KeyedWrite): Begun {
    const key = keyOf(header);
    if (key === null) return { kind: 'refused', problem: INVALID_KEY };
    const name = `${id} ${operationId} ${key}`;
    const fingerprint = hash('sha256', `${write.method} ${write.target}\n${write.body}`);
    const now = this.clock.monotonic();
    this.forgetUntil(now);
    const before = this.kept.get(name);
    if (before === undefined) return this.beginNew(name, { fingerprint, answer: null, until: now + KEPT_MS, chars: name.length + fingerprint.length });
    if (before.fingerprint !== fingerprint) return { kind: 'refused', problem: OTHER_REQUEST };
    return before.answer === null ? { kind: 'refused', problem: UNDER_WAY } : { kind: 'again', answer: before.answer };
  }

  private beginNew(name: string, kept: Kept): Begun {
    this.kept.set(name, kept);
    this.chars += kept.chars;
    return {
      kind: 'new',
      // Null: nothing was done, or nobody knows: the next try is one.
      done: (answer) => {
        if (this.kept.get(name) !== kept) return;
        if (answer === null) return this.forget(name, kept);
        kept.answer = answer;
        kept.chars += answer.body.length;
        this.chars += answer.body.length;
        this.makeRoom();
      },
    };
  }

  private forgetUntil(now: number): void {
    for (const [name, kept] of this.kept) {
      if (kept.until > now) return;
      this.forget(name, kept);
    }
  }

  private makeRoom(): void {
    for (const [name, kept] of this.kept) {
      if (this.chars <= KEPT_CHARS_MAX && this.kept.size <= KEPT_ANSWERS_MAX) return;
      // What is under way is bounded by the writes in flight.
      if (kept.answer !== null) this.forget(name, kept);
    }
  }

  private forget(name: string, kept: Kept): void {
    this.kept.delete(name);
    this.chars -= kept.chars;
  }

  stats(): { kept: number; chars: number } {
    return { kept: this.kept.size, chars: this.chars };
  }
}

/** The key in its quotation marks, or without them as many send it; null: neither. */
function keyOf(header: string): string | null {
  const [, quoted, bare] = KEY.exec(header.trim()) ?? [];
  return quoted ?? bare ?? null;
}

/** Whether an answer says what came of a write: what is worth another try does not. */
export function isFinal(status: number): boolean {
  return status < 500 && status !== 429 && status !== 408;
}

export const REPLAYED: readonly [string, string] = ['idempotency-replayed', 'true'];

const INVALID_KEY: Problem = { status: 400, code: 'invalid_idempotency_key', detail: 'Idempotency-Key takes 1–255 characters, such as a UUID in quotation marks.' };
const OTHER_REQUEST: Problem = { status: 422, code: 'idempotency_key_reused', detail: 'This Idempotency-Key was sent with another request. Each write takes a key of its own.' };
const UNDER_WAY: Problem = { status: 409, code: 'request_under_way', detail: 'The request with this Idempotency-Key is under way. Send it again in a moment to hear what came of it.', retryAfterSeconds: 1 };
