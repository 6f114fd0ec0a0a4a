/** A terminal line is rewritten this often: smooth to the eye, nothing to the CPU. */
const TERMINAL_INTERVAL_MS = 200;
/** A log gets a line this often. */
const LOG_INTERVAL_MS = 5_000;
/** Width when the terminal does not tell. */
const COLUMNS_DEFAULT = 120;

export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** One line that is rewritten in a terminal, or a line now and then where the output is a file. */
export class ProgressLine {
  private readonly stream: ProgressStream;
  private shownMs = -Infinity;
  private open = false;

  constructor(stream: ProgressStream) {
    this.stream = stream;
  }

  /** True when enough time has passed since the last line; lets callers skip formatting. `nowMs` is monotonic. */
  due(nowMs: number): boolean {
    return nowMs - this.shownMs >= (this.stream.isTTY ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS);
  }

  show(text: string, nowMs: number): void {
    this.shownMs = nowMs;
    if (this.stream.isTTY) {
      this.stream.write(`\r\x1b[2K${text.slice(0, (this.stream.columns ?? COLUMNS_DEFAULT) - 1)}`);
      this.open = true;
    } else {
      this.stream.write(`${text}\n`);
    }
  }

  /** Ends the line; what is written next starts on its own. */
  end(): void {
    if (this.open) this.stream.write('\n');
    this.open = false;
  }
}

/** 1234567 → "1,234,567". */
export function withThousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function formatMs(valueMs: number | null): string {
  if (valueMs === null) return '–';
  if (valueMs >= 1_000) return `${(valueMs / 1_000).toFixed(1)} s`;
  return `${valueMs.toFixed(valueMs < 10 ? 1 : 0)} ms`;
}

/** 3725000 → "1h 02m"; for times left. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${String(seconds % 60).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`;
}
