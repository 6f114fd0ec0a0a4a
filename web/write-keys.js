// @ts-check
/**
 * Which key a write goes with (Idempotency-Key): of one that nobody answered nobody knows whether it was done, so it is sent again with the key that it had, and the gateway does it once.
 *
 * @typedef {{ key: string, body: string | undefined, sinceMs: number, isUnderWay: boolean }} Try as it was sent first
 */

/** Forms count from an hour upwards how long something lasts: what is sent with the times of its first try has some left. And whoever comes back to a form later looks first at what came of it. */
const KEPT_MS = 1_800_000;
/** Forms that one person has open, and more. */
const KEPT_MAX = 20;
const KEY_BYTES = 16;

export class WriteKeys {
  /** That nobody has answered, the newest last. @type {Map<string, Try>} */
  #unanswered = new Map();

  /**
   * How it is sent: as at its first try, where that was not answered.
   * @param {string} filled what makes it this write and no other @param {string | undefined} body @param {number} nowMs @returns {Try}
   */
  tryOf(filled, body, nowMs) {
    const before = this.#unanswered.get(filled);
    const attempt = before !== undefined && nowMs - before.sinceMs < KEPT_MS ? before : { key: newKey(), body, sinceMs: nowMs, isUnderWay: true };
    attempt.isUnderWay = true;
    this.#unanswered.delete(filled);
    this.#unanswered.set(filled, attempt);
    if (this.#unanswered.size > KEPT_MAX) this.#unanswered.delete(/** @type {string} */ (this.#unanswered.keys().next().value));
    return attempt;
  }

  /** The next is another one: why this one was refused may be mended by then. @param {string} filled @param {Try} attempt */
  refused(filled, attempt) {
    if (this.#unanswered.get(filled) === attempt) this.#unanswered.delete(filled);
  }

  /** One was done. Those that were given up before are not gone on with: it may have undone them, and to do them again is something else then. @param {Try} attempt */
  done(attempt) {
    attempt.isUnderWay = false;
    for (const [filled, { isUnderWay }] of this.#unanswered) if (!isUnderWay) this.#unanswered.delete(filled);
  }

  /** Nobody answered. @param {Try} attempt */
  lost(attempt) {
    attempt.isUnderWay = false;
  }
}

/** Pages that come without TLS have no crypto.randomUUID. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
