import type { Clock } from '../../runtime/clock.ts';
import type { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { traceFields } from '../../runtime/log-trace.ts';
import type { Span } from '../../runtime/tracing.ts';

/** What a shard writes, each to a place of its own: one may find room while the other does not. */
export type WrittenPart = 'log' | 'tables';

const LINES: Record<WrittenPart, string> = {
  log: 'the log could not be written; readings are refused until it can',
  tables: 'a checkpoint could not be written; readings are refused until it can',
};

/** After the disk was full, the next attempt to write waits this long. */
const STORAGE_RETRY_MS = 1_000;
/** A full disk fails an attempt a second for as long as nobody looks: a line a minute says that it goes on, and fills no disk. */
const LINE_INTERVAL_MS = 60_000;

/** A disk that has no room: whether readings are refused, and what is said of it. */
export class StorageTrouble {
  private readonly modules: { clock: Clock; log: Log };
  /** On the monotonic clock, as are the others. */
  private blockedUntilMs = -Infinity;
  /** Parts whose newest attempt failed. */
  private readonly failing = new Set<WrittenPart>();
  private readonly lines = new Map<WrittenPart, { saidAtMs: number; unsaid: number }>();

  constructor(modules: { clock: Clock; log: Log }) {
    this.modules = modules;
  }

  /** An attempt failed a moment ago: nothing is taken, and nothing tried. */
  get isBlocked(): boolean {
    return this.modules.clock.monotonic() < this.blockedUntilMs;
  }

  /** Something could not be written, and not since then either. */
  get isRefusing(): boolean {
    return this.failing.size > 0;
  }

  /** `span`: of something that was to be written, where it is traced. */
  failed(part: WrittenPart, error: OperationalError, span: Span | null = null): void {
    const { clock, log } = this.modules;
    const nowMs = clock.monotonic();
    this.blockedUntilMs = nowMs + STORAGE_RETRY_MS;
    this.failing.add(part);
    const line = this.lines.get(part);
    if (line === undefined) log.error({ err: error, ...traceFields(span) }, LINES[part]);
    else {
      line.unsaid++;
      if (nowMs - line.saidAtMs < LINE_INTERVAL_MS) return;
      log.error({ code: error.code, attempts: line.unsaid, ...traceFields(span) }, LINES[part]);
    }
    this.lines.set(part, { saidAtMs: nowMs, unsaid: 0 });
  }

  wrote(part: WrittenPart): void {
    this.failing.delete(part);
  }
}
