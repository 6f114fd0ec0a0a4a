import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { BodyFormat } from '../../actors/ingest/protocol.ts';
import type { Clock } from '../../runtime/clock.ts';
import { systemClock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { IngestTotals } from '../ingest-client.ts';
import { IngestClient } from '../ingest-client.ts';
import type { WireReading } from '../wire-reading.ts';
import { openDelimitedFile } from './delimited-file.ts';
import type { ImportPlan } from './import-plan.ts';
import type { PresetName } from './import-presets.ts';
import type { ImportState } from './import-state.ts';
import { AckWatermark, FILE_START, ImportStateFile } from './import-state.ts';
import type { BadRow } from './row-reader.ts';
import { RowReader } from './row-reader.ts';

export interface ImportOptions {
  file: string;
  url?: string;
  /** Device key. */
  key?: string;
  preset: PresetName | null;
  /** What the user said himself; wins over the preset. */
  plan: Partial<ImportPlan>;
  format: BodyFormat;
  gzip: boolean;
  /** Readings per request. */
  batchSize: number;
  concurrency: number;
  /** Bad rows or cells after which the import gives up. */
  maxErrors: number;
  stateDirectory: string;
  /** Ignore what an earlier run remembered. */
  restart: boolean;
  retryTotalMs?: number;
}

export const DEFAULT_IMPORT = { format: 'json', gzip: false, batchSize: 5_000, concurrency: 1, maxErrors: 1_000, stateDirectory: '.seg-import' } as const;

export interface ImportProgress {
  bytesRead: number;
  bytesTotal: number;
  /** Data rows read, those an earlier run did included. */
  rows: number;
  /** Cells without a value. */
  missing: number;
  bad: number;
  badRows: readonly BadRow[];
  /** Of this run. */
  totals: IngestTotals;
  /** What an earlier run left; null when this one began at the start. */
  resumedFrom: ImportState | null;
  elapsedMs: number;
  /** False when the signal ended the run before the end of the file. */
  complete: boolean;
}

export interface ImportHooks {
  signal?: AbortSignal;
  /** Called after every chunk of the file. */
  onProgress?: (progress: ImportProgress) => void;
  clock?: Clock;
}

/** The state is saved this often: a killed run sends this much again at most, which is harmless. */
const STATE_SAVE_MS = 1_000;

/**
 * Streams a file into the engine. Memory is bounded by one chunk of the file and the batches in flight. Ends well at the end of the file or when the signal fires (then
 * `complete` is false, and the same call goes on where it ended). Throws OperationalError: `usage` (plan does not fit the file), `file_unreadable`,
 * `file_damaged`, `too_many_errors`, `state_unwritable`, and those of IngestClient.post; the state is saved before.
 */
export async function runImport(options: ImportOptions, hooks: ImportHooks = {}): Promise<ImportProgress> {
  const clock = hooks.clock ?? systemClock;
  const failure = new AbortController();
  const signal = hooks.signal === undefined ? failure.signal : AbortSignal.any([hooks.signal, failure.signal]);
  const client = new IngestClient({ ...options, signal, clock });
  const path = resolve(options.file);
  const stats = await stat(path).catch((cause: Error) => {
    throw new OperationalError('file_unreadable', `cannot read ${path}: ${cause.message}`, { cause });
  });
  const stateFile = new ImportStateFile(options.stateDirectory, path, stats, `${client.url.href} ${planKey(options)}`);
  if (options.restart) await stateFile.remove();
  const resumedFrom = options.restart ? null : await stateFile.load();
  const position = resumedFrom?.position ?? FILE_START;
  const watermark = new AckWatermark(position);
  const reader = new RowReader({ preset: options.preset, flags: options.plan, from: position, maxErrors: options.maxErrors });
  const file = await openDelimitedFile(path, options.plan.delimiter ?? null);
  const beganMs = clock.monotonic();
  const { totals } = client;
  const progress = (complete: boolean): ImportProgress => ({
    bytesRead: file.bytesRead(),
    bytesTotal: stats.size,
    rows: reader.rows,
    missing: reader.missing,
    bad: reader.bad,
    badRows: reader.badRows,
    totals,
    resumedFrom,
    elapsedMs: clock.monotonic() - beganMs,
    complete,
  });
  const save = () =>
    stateFile.save({
      position: watermark.position,
      accepted: totals.accepted + (resumedFrom?.accepted ?? 0),
      duplicates: totals.duplicates + (resumedFrom?.duplicates ?? 0),
      rejected: totals.rejected + (resumedFrom?.rejected ?? 0),
      savedAt: new Date(clock.now()).toISOString(),
    });
  let failed: unknown = null;
  const send = async (size: number) => {
    await client.ready();
    if (signal.aborted) throw new OperationalError('aborted', 'stopped before it was done');
    const { readings, end } = reader.take(size);
    const acknowledged = watermark.sent(end);
    void client.post(readings).then(acknowledged, (error: unknown) => {
      failed ??= error;
      failure.abort();
    });
  };
  let savedMs = beganMs;
  const afterChunk = async () => {
    while (reader.pending >= options.batchSize) await send(options.batchSize);
    if (signal.aborted) throw new OperationalError('aborted', 'stopped before it was done');
    reader.assertWithinErrors();
    hooks.onProgress?.(progress(false));
    if (clock.monotonic() - savedMs < STATE_SAVE_MS) return;
    savedMs = clock.monotonic();
    await save();
  };
  try {
    await file.read(reader, afterChunk);
    if (reader.pending > 0) await send(reader.pending);
    await client.idle();
    if (signal.aborted) throw new OperationalError('aborted', 'stopped before it was done');
    reader.assertHeaderSeen(path);
    await stateFile.remove();
    const last = progress(true);
    hooks.onProgress?.(last);
    return last;
  } catch (error) {
    await client.idle();
    if (totals.batches > 0) await save();
    const cause = failed ?? error;
    // Ctrl-C aborts the requests in flight; that is no failure.
    if (hooks.signal?.aborted && cause instanceof OperationalError && cause.code === 'aborted') return progress(false);
    throw cause;
  } finally {
    client.close();
  }
}

/** The first `count` readings of the file, and what was wrong before them; nothing is sent. Throws like runImport. */
export async function previewImport(options: ImportOptions, count: number): Promise<{ readings: WireReading[]; badRows: readonly BadRow[] }> {
  const path = resolve(options.file);
  const reader = new RowReader({ preset: options.preset, flags: options.plan, from: FILE_START, maxErrors: options.maxErrors });
  const file = await openDelimitedFile(path, options.plan.delimiter ?? null);
  const enough = new OperationalError('enough', 'the preview is complete');
  try {
    await file.read(reader, async () => {
      reader.assertWithinErrors();
      if (reader.pending >= count) throw enough;
    });
    reader.assertHeaderSeen(path);
  } catch (error) {
    if (error !== enough) throw error;
  }
  return { readings: reader.take(Math.min(count, reader.pending)).readings, badRows: reader.badRows };
}

function planKey(options: ImportOptions): string {
  return JSON.stringify([options.preset, options.plan], (_, value: unknown) => (value instanceof Map ? [...value] : value));
}
