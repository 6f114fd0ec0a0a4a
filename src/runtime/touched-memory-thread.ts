import { workerData } from 'node:worker_threads';
import { READY, TOUCHING, UNTOUCHED, type TouchedMemory } from './touched-memory.ts';

/** The thread of a touchedMemory: writes to each page of the pieces that nobody has taken yet, and ends. */

/** Of memory, on every machine that Node runs on at least. */
const PAGE_BYTES = 4_096;

const { pieceBytes, memory, states: shared } = workerData as TouchedMemory;
const bytes = new Uint8Array(memory);
const states = new Int32Array(shared);
for (let piece = 0; piece < states.length; piece++) {
  if (Atomics.compareExchange(states, piece, UNTOUCHED, TOUCHING) !== UNTOUCHED) continue;
  const end = (piece + 1) * pieceBytes;
  for (let at = piece * pieceBytes; at < end; at += PAGE_BYTES) bytes[at] = 0;
  Atomics.store(states, piece, READY);
  Atomics.notify(states, piece);
}
