import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { ReadingIds } from '../actors/shard/reading-ids.ts';
import type { UncountedReadings } from '../actors/shard/uncounted-readings.ts';
import type { ReplayedIds } from '../actors/shard/replayed-ids.ts';
import { OperationalError } from '../runtime/errors.ts';
import { THREAD_ARGUMENTS } from '../runtime/thread-arguments.ts';
import { fromWireError, type WireError } from '../runtime/wire-error.ts';

/**
 * Remembers the readingIds of a log on a thread of its own, while the shard restores its pages: of a million meters' log of 64 MiB that is a second of a core, and the other core has time. The
 * memory that it fills is handed over whole.
 */

export interface ReplayedIdsTask {
  port: MessagePort;
  /** Two Int32: messages that were dealt with, and 1 once the result is in the port. */
  progress: SharedArrayBuffer;
  /** Of the memory, a power of two. */
  buckets: number;
}

export const DEALT_WITH = 0;
export const IS_OVER = 1;

export type ReplayedIdsMessage =
  | { kind: 'batch'; bytes: Uint8Array; sequence: number; uncounted: UncountedReadings; forgotten: number }
  | { kind: 'remembered'; words: Uint8Array }
  | { kind: 'end' };

export type ReplayedIdsResult = { words: Uint32Array<ArrayBuffer>; readings: number } | { failure: WireError };

/** A thread that deals with no message for so long is gone, ms: it starts in 0.2 s, and one takes a millisecond at most. */
const SILENCE_MS_MAX = 60_000;

export class ReplayedIdsBeside implements ReplayedIds {
  private readonly port: MessagePort;
  private readonly progress = new Int32Array(new SharedArrayBuffer(8));

  /** `buckets`: of the memory that is filled in the end. */
  constructor(buckets: number) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    port1.unref();
    const task: ReplayedIdsTask = { port: port2, progress: this.progress.buffer as SharedArrayBuffer, buckets };
    const thread = new Worker(new URL('./replayed-ids-thread.ts', import.meta.url), { workerData: task, transferList: [port2], execArgv: THREAD_ARGUMENTS });
    // It says itself what it finds; one that cannot even start is missed by `finish`.
    thread.on('error', () => {});
    thread.unref();
  }

  addBatch(bytes: Uint8Array, sequence: number, uncounted: UncountedReadings, forgotten: number): void {
    const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
    this.port.postMessage({ kind: 'batch', bytes: own, sequence, uncounted, forgotten } satisfies ReplayedIdsMessage, [own.buffer as ArrayBuffer]);
  }

  addRemembered(words: Uint8Array): void {
    this.port.postMessage({ kind: 'remembered', words: new Uint8Array(words) } satisfies ReplayedIdsMessage);
  }

  /** Throws OperationalError also when the thread is gone: `storage_failed`. */
  finish(ids: ReadingIds): number {
    this.port.postMessage({ kind: 'end' } satisfies ReplayedIdsMessage);
    const result = this.awaited();
    this.port.close();
    if ('failure' in result) throw fromWireError(result.failure);
    ids.take(result.words);
    return result.readings;
  }

  private awaited(): ReplayedIdsResult {
    const { progress } = this;
    while (Atomics.load(progress, IS_OVER) === 0) {
      const dealtWith = Atomics.load(progress, DEALT_WITH);
      const isSilent = Atomics.wait(progress, IS_OVER, 0, SILENCE_MS_MAX) === 'timed-out' && Atomics.load(progress, DEALT_WITH) === dealtWith;
      if (isSilent) throw new OperationalError('storage_failed', 'the thread that reads the readingIds of the log came to no end');
    }
    return (receiveMessageOnPort(this.port) as { message: ReplayedIdsResult }).message;
  }
}
