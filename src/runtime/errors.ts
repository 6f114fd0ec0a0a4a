/** Errors that the world causes (a dead thread, a full disk, a deadline), as opposed to broken invariants. */

/** `retryable`: the same call may succeed later without anybody changing it. */
export class OperationalError extends Error {
  override readonly name = 'OperationalError';
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** A broken invariant: crashes the actor that holds it, and its supervisor decides. On in production. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
