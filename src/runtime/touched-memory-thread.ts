import { workerData } from 'node:worker_threads';
import { BEGUN, HANDED_OVER, type TouchedMemoryTask } from './touched-memory.ts';

/** The thread of a TouchedMemory: makes buffers, writes to each of their pages, hands them over, and ends. */

/** Of memory, on every machine that Node runs on at least. */
const PAGE_BYTES = 4_096;

const { bufferBytes, buffers, counts: shared, port } = workerData as TouchedMemoryTask;
const counts = new Int32Array(shared);
while (Atomics.add(counts, BEGUN, 1) < buffers) {
  const bytes = new Uint8Array(new SharedArrayBuffer(bufferBytes));
  for (let at = 0; at < bufferBytes; at += PAGE_BYTES) bytes[at] = 0;
  port.postMessage(bytes.buffer);
  Atomics.add(counts, HANDED_OVER, 1);
  Atomics.notify(counts, HANDED_OVER);
}
port.close();
