import { isRetryable } from './backoff.ts';
import { describeError } from './figures.ts';

/** Lines about rows set aside within SET_ASIDE_SPAN_MS; the rest of them are counted in one more. */
export const SET_ASIDE_LINES_MAX = 10;
export const SET_ASIDE_SPAN_MS = 60_000;

/** A time of failures, and what of it is worth a line: its beginning, and an error that will not pass whenever it is another one. */
export class Trouble {
  private since: number | null = null;
  private said: string | null = null;

  met(error: unknown, nowMs: number): 'warn' | 'error' | null {
    const isFirst = this.since === null;
    this.since ??= nowMs;
    if (isRetryable(error)) return isFirst ? 'warn' : null;
    const { code, message } = describeError(error);
    const text = `${code} ${message}`;
    if (text === this.said) return null;
    this.said = text;
    return 'error';
  }

  /** Ends it; null when there was none. */
  end(): { sinceMs: number } | null {
    if (this.since === null) return null;
    const sinceMs = this.since;
    this.since = null;
    this.said = null;
    return { sinceMs };
  }

  get isOn(): boolean {
    return this.since !== null;
  }
}

/** Lets SET_ASIDE_LINES_MAX lines through in a span and counts the others. */
export class LineQuota {
  private lines = 0;
  private held = 0;

  /** True when the line may be written. */
  admits(): boolean {
    if (this.lines === SET_ASIDE_LINES_MAX) {
      this.held++;
      return false;
    }
    this.lines++;
    return true;
  }

  /** Begins another span; gives how many lines were held back in the one before. */
  renew(): number {
    const { held } = this;
    this.lines = 0;
    this.held = 0;
    return held;
  }
}
