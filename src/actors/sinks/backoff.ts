import { OperationalError } from '../../runtime/errors.ts';

/** A failure that nobody can wait out is tried again this often: an operator may have mended it. */
export const FAILED_RETRY_MS = 60_000;
/** Doublings after which every back-off stands at its longest. */
const DOUBLINGS_MAX = 30;

export interface BackoffOptions {
  backoffMinMs: number;
  backoffMaxMs: number;
}

/** True when the same call may pass later without anybody doing anything. An error that is not operational is a bug, and will not. */
export function isRetryable(error: unknown): boolean {
  return error instanceof OperationalError && error.retryable;
}

/** When to try again: between now and a time that doubles with each failure in a row, by chance over all of it; FAILED_RETRY_MS after an error that will not pass. */
export class Backoff {
  private readonly options: BackoffOptions;
  private readonly random: () => number;
  private failuresInARow = 0;
  private retryAt = -Infinity;
  private final = false;

  /** `random` gives from 0 to below 1. */
  constructor(options: BackoffOptions, random: () => number) {
    this.options = options;
    this.random = random;
  }

  failed(retryable: boolean, nowMs: number): void {
    const { backoffMinMs, backoffMaxMs } = this.options;
    const ceilingMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.failuresInARow, DOUBLINGS_MAX));
    this.failuresInARow++;
    this.final = !retryable;
    this.retryAt = nowMs + (retryable ? this.random() * ceilingMs : FAILED_RETRY_MS);
  }

  succeeded(): void {
    this.failuresInARow = 0;
    this.retryAt = -Infinity;
    this.final = false;
  }

  /** The first try may be made from then on; in the past when nothing failed. */
  get retryAtMs(): number {
    return this.retryAt;
  }

  /** null when the newest try did not fail. */
  get state(): 'waiting' | 'failed' | null {
    if (this.failuresInARow === 0) return null;
    return this.final ? 'failed' : 'waiting';
  }
}
