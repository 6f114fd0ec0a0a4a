import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { traceFields } from '../../runtime/log-trace.ts';
import type { Span } from '../../runtime/tracing.ts';
import { FAILED_RETRY_MS } from './backoff.ts';
import { describeError, type SinkError } from './figures.ts';
import type { SinkWriter, WriteReport } from './protocol.ts';
import { LineQuota, SET_ASIDE_SPAN_MS, Trouble } from './trouble.ts';

/** What a pump says in the log: that its writer or the shards are in trouble, that they are back, and what is set aside. Each trouble is a few lines, however long it lasts. */

/** A writer that takes batches again is said to be back when all is caught up, or after this time: after a day's outage that may take hours. */
const BACK_REPORT_MS = 60_000;

export interface PumpNewsModules {
  writer: Pick<SinkWriter, 'name'>;
  clock: Clock;
  timers: Timers;
  log: Log;
}

export class PumpNews {
  /** Of the writer or the shards; null before the first, and stays after it is over. */
  lastError: SinkError | null = null;
  readonly regionTrouble = new Trouble();
  private readonly modules: PumpNewsModules;
  private readonly writerTrouble = new Trouble();
  private readonly setAsideLines = new LineQuota();
  private setAsideTimer: TimerHandle | null = null;
  /** Since when the writer takes the batches of all shards again after trouble; null while it does not. */
  private recoveredAtMs: number | null = null;
  private rowsBeforeTrouble = 0;

  constructor(modules: PumpNewsModules) {
    this.modules = modules;
  }

  /** The writer failed, and has not been said to be back. */
  get isWriterAway(): boolean {
    return this.writerTrouble.isOn;
  }

  /** `shard`: whose batch it was; null when it could not be opened. `rows`: written so far. `span`: of the write, where it is traced. */
  writerFailed(error: unknown, shard: number | null, rows: number, span: Span | null = null): void {
    const { clock, writer, log } = this.modules;
    const { code, message } = this.noteError(error);
    if (!this.writerTrouble.isOn) this.rowsBeforeTrouble = rows;
    this.recoveredAtMs = null;
    const level = this.writerTrouble.met(error, clock.monotonic());
    if (level === null) return;
    const fields = { sink: writer.name, shard, code, error, ...traceFields(span) };
    if (level === 'warn') log.warn(fields, `${writer.name} is away: ${message}; what changes waits on disk until it is back`);
    if (level === 'error') log.error(fields, `${writer.name} cannot be written to: ${message}; tried again every ${FAILED_RETRY_MS / 1_000} s`);
  }

  /** The writer was away and takes the batches of all shards: says so when all is caught up, or it has taken them for a while. */
  writerTakes({ isCaughtUp, rows }: { isCaughtUp: boolean; rows: number }, nowMs: number): void {
    this.recoveredAtMs ??= nowMs;
    if (!isCaughtUp && nowMs - this.recoveredAtMs < BACK_REPORT_MS) return;
    const { sinceMs } = this.writerTrouble.end()!;
    const awayMs = Math.round(this.recoveredAtMs - sinceMs);
    const caughtUp = rows - this.rowsBeforeTrouble;
    const { writer, log } = this.modules;
    log.info({ sink: writer.name, awayMs, rows: caughtUp, isCaughtUp }, `${writer.name} is back after ${Math.round(awayMs / 1_000)} s; ${caughtUp} rows are caught up${isCaughtUp ? '' : ' so far'}`);
  }

  sourceFailed(trouble: Trouble, error: unknown, what: string): void {
    const { clock, writer, log } = this.modules;
    const { code, message } = this.noteError(error);
    const level = trouble.met(error, clock.monotonic());
    if (level !== null) log[level]({ sink: writer.name, code, error }, `${what}: ${message}`);
  }

  sourceIsBack(trouble: Trouble, what: string): void {
    const ended = trouble.end();
    if (ended === null) return;
    const { clock, writer, log } = this.modules;
    log.info({ sink: writer.name, awayMs: Math.round(clock.monotonic() - ended.sinceMs) }, what);
  }

  /** `span`: of the write, where it is traced. */
  written(shard: number, { setAside }: WriteReport, span: Span | null = null): void {
    if (setAside.length === 0) return;
    const { timers, writer, log } = this.modules;
    for (const { what, reason } of setAside) {
      if (this.setAsideLines.admits()) log.warn({ sink: writer.name, shard, what, reason, ...traceFields(span) }, `${writer.name} does not take a ${what}: ${reason}; it is set aside`);
    }
    this.setAsideTimer ??= timers.after(SET_ASIDE_SPAN_MS, () => this.endSetAsideSpan());
  }

  /** The pump can do no more. */
  broken(error: unknown): void {
    this.noteError(error);
    this.setAsideTimer?.cancel();
  }

  /** Says how many lines were held back; also when the pump stops. */
  endSetAsideSpan(): void {
    this.setAsideTimer?.cancel();
    this.setAsideTimer = null;
    const rows = this.setAsideLines.renew();
    const { writer, log } = this.modules;
    if (rows > 0) log.warn({ sink: writer.name, rows }, `${rows} more rows that ${writer.name} does not take are set aside`);
  }

  private noteError(error: unknown): SinkError {
    this.lastError = describeError(error);
    return this.lastError;
  }
}
