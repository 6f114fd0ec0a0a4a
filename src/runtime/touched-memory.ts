import { Worker } from 'node:worker_threads';
import { THREAD_ARGUMENTS } from './thread-arguments.ts';

/**
 * Memory that a thread of its own touches, piece by piece, ahead of those who fill it. The kernel gives memory when it is first written to, a page of 4 KiB at a time: a gigabyte takes
 * 0.7 s of a thread, and more than two on a virtual machine whose host has to find it first (measured). Whoever catches up takes the next piece as it is.
 *
 * It is shared memory, which V8 does not count as its heap's: a gigabyte of other buffers has it look through the whole heap for each 64 MB that come.
 */

/** Structured-cloneable. */
export interface TouchedMemory {
  pieceBytes: number;
  /** Zeros. */
  memory: SharedArrayBuffer;
  /** An Int32 for each piece: UNTOUCHED, TOUCHING, READY, or TAKEN. */
  states: SharedArrayBuffer;
}

export const UNTOUCHED = 0;
export const TOUCHING = 1;
export const READY = 2;
export const TAKEN = 3;

/** To touch a piece takes milliseconds; a thread that is gone is not missed. */
const TOUCHING_MS_MAX = 1_000;

/** Throws RangeError when there is no room for so much. */
export function touchedMemory(pieceBytes: number, pieces: number): TouchedMemory {
  const touched = { pieceBytes, memory: new SharedArrayBuffer(pieceBytes * pieces), states: new SharedArrayBuffer(4 * pieces) };
  const thread = new Worker(new URL('./touched-memory-thread.ts', import.meta.url), { workerData: touched, execArgv: THREAD_ARGUMENTS });
  // Without it whoever writes first gets the memory himself.
  thread.on('error', () => {});
  thread.unref();
  return touched;
}

/** Byte offset of a piece of zeros that is the caller's from here on; null: there is no such piece, somebody has taken it, or it was begun and never finished. */
export function takePiece({ pieceBytes, states }: TouchedMemory, piece: number): number | null {
  const all = new Int32Array(states);
  if (piece >= all.length) return null;
  const found = Atomics.compareExchange(all, piece, UNTOUCHED, TAKEN);
  if (found === TOUCHING) Atomics.wait(all, piece, TOUCHING, TOUCHING_MS_MAX);
  return found === UNTOUCHED || Atomics.compareExchange(all, piece, READY, TAKEN) === READY ? piece * pieceBytes : null;
}
