import { hash } from 'node:crypto';
import type { KeptWrite, WriteAnswer, WriteKey } from '../actors/accounts/protocol.ts';
import type { Principal } from '../model/access.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Problem } from './problem-details.ts';

/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a write that is sent again with the key that it had is answered again and not done again. Answers are kept in memory, and with accounts in their store as well:
 * the key is on disk before the write is done (write-note.ts), and its answer a moment after it was sent. Of a key whose engine ended in between nobody knows, and that is what is answered.
 */

/** How long an answer is kept. */
const KEPT_MS = 24 * 3_600_000;
/** All answers together, as characters of bodies and keys: some ten thousand of the usual size. Past either the oldest go. */
const KEPT_CHARS_MAX = 32 * 1024 * 1024;
const KEPT_ANSWERS_MAX = 50_000;
/** A UUID in quotation marks has 38. */
const KEY = /^"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"$|^([A-Za-z0-9._:~+/=-]{1,255})$/;

/** An answer as it was sent. */
export type KeptAnswer = WriteAnswer;

interface Kept {
  fingerprint: string;
  /** null: it is being made. `unknown`, `secret`: as KeptWrite. */
  answer: KeptWrite['answer'] | null;
  /** Monotonic. */
  until: number;
  chars: number;
}

export interface KeyedWrite {
  /** Path and query as they were sent. */
  target: string;
  method: string;
  body: string;
}

/** The write is to be done (`key`: as it goes to disk before), and what comes of it to be told; or the answer that there is. */
export type Begun = { kind: 'new'; key: WriteKey; done(answer: KeptAnswer | null): void } | { kind: 'again'; answer: KeptAnswer } | { kind: 'refused'; problem: Problem };

export class IdempotencyKeys {
  private readonly clock: Clock;
  /** Has the disk forget those that go before their time. */
  private readonly onForgotten: (names: readonly string[]) => void;
  /** In the order in which they began. */
  private readonly kept = new Map<string, Kept>();
  private chars = 0;

  /** `kept`: of another life of the engine. */
  constructor({ clock, kept = [], onForgotten = () => undefined }: { clock: Clock; kept?: readonly KeptWrite[]; onForgotten?: (names: readonly string[]) => void }) {
    this.clock = clock;
    this.onForgotten = onForgotten;
    const [now, nowMs] = [clock.monotonic(), clock.now()];
    for (const { name, fingerprint, until, answer } of [...kept].sort((a, b) => a.until - b.until)) {
      // No longer than a new one, whatever the clock on the wall was then.
      this.add(name, { fingerprint, answer, until: now + Math.min(KEPT_MS, until - nowMs), chars: name.length + fingerprint.length + charsOf(answer) });
    }
    this.makeRoom();
  }

  begin(header: string, { id }: Principal, operationId: string, write: KeyedWrite): Begun {
    const key = keyOf(header);
    if (key === null) return { kind: 'refused', problem: INVALID_KEY };
    const name = hash('sha256', `${id} ${operationId} ${key}`);
    const fingerprint = hash('sha256', `${write.method} ${write.target}\n${write.body}`);
    const now = this.clock.monotonic();
    this.forgetUntil(now);
    const before = this.kept.get(name);
    if (before === undefined) return this.beginNew(name, { fingerprint, answer: null, until: now + KEPT_MS, chars: name.length + fingerprint.length });
    if (before.fingerprint !== fingerprint) return { kind: 'refused', problem: OTHER_REQUEST };
    if (before.answer === null) return { kind: 'refused', problem: UNDER_WAY };
    return typeof before.answer === 'string' ? { kind: 'refused', problem: before.answer === 'unknown' ? OUTCOME_UNKNOWN : ANSWER_NOT_KEPT } : { kind: 'again', answer: before.answer };
  }

  private beginNew(name: string, kept: Kept): Begun {
    this.add(name, kept);
    return {
      kind: 'new',
      key: { name, fingerprint: kept.fingerprint, until: this.clock.now() + KEPT_MS },
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

  private add(name: string, kept: Kept): void {
    this.kept.set(name, kept);
    this.chars += kept.chars;
  }

  private forgetUntil(now: number): void {
    const gone: string[] = [];
    for (const [name, kept] of this.kept) {
      if (kept.until > now) break;
      this.forget(name, kept);
      gone.push(name);
    }
    if (gone.length > 0) this.onForgotten(gone);
  }

  private makeRoom(): void {
    const gone: string[] = [];
    for (const [name, kept] of this.kept) {
      if (this.chars <= KEPT_CHARS_MAX && this.kept.size <= KEPT_ANSWERS_MAX) break;
      // What is under way is bounded by the writes in flight.
      if (kept.answer === null) continue;
      this.forget(name, kept);
      gone.push(name);
    }
    if (gone.length > 0) this.onForgotten(gone);
  }

  private forget(name: string, kept: Kept): void {
    this.kept.delete(name);
    this.chars -= kept.chars;
  }

  stats(): { kept: number; chars: number } {
    return { kept: this.kept.size, chars: this.chars };
  }
}

function charsOf(answer: KeptWrite['answer']): number {
  return typeof answer === 'string' ? 0 : answer.body.length;
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
const OUTCOME_UNKNOWN: Problem = {
  status: 409,
  code: 'outcome_unknown',
  detail: 'The engine ended while the request with this Idempotency-Key was under way, and nobody knows whether it was done. Look whether it was; if not, send it with another key.',
};
const ANSWER_NOT_KEPT: Problem = {
  status: 409,
  code: 'answer_not_kept',
  detail: 'The request with this Idempotency-Key was done. Its answer had a secret that is shown once and kept nowhere, and the engine was started anew since.',
};
const UNDER_WAY: Problem = { status: 409, code: 'request_under_way', detail: 'The request with this Idempotency-Key is under way. Send it again in a moment to hear what came of it.', retryAfterSeconds: 1 };
