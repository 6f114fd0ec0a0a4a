import { workerData } from 'node:worker_threads';
import { ReadingIds } from '../actors/shard/reading-ids.ts';
import { ReplayedIdsHere } from '../actors/shard/replayed-ids.ts';
import { toWireError, type WireError } from '../runtime/wire-error.ts';
import { DEALT_WITH, IS_OVER, type ReplayedIdsMessage, type ReplayedIdsResult, type ReplayedIdsTask } from './replayed-ids-beside.ts';

/** The thread of a ReplayedIdsBeside: fills a memory of readingIds, hands it over, and ends. */

const { port, progress: shared, buckets } = workerData as ReplayedIdsTask;
const progress = new Int32Array(shared);
const ids = new ReadingIds(buckets);
const replayed = new ReplayedIdsHere(ids);
let failure: WireError | null = null;

port.on('message', (message: ReplayedIdsMessage) => {
  if (message.kind === 'end') {
    end();
    return;
  }
  try {
    if (failure === null) deal(message);
  } catch (error) {
    failure = toWireError(error);
  }
  Atomics.add(progress, DEALT_WITH, 1);
});

function deal(message: Exclude<ReplayedIdsMessage, { kind: 'end' }>): void {
  if (message.kind === 'remembered') replayed.addRemembered(message.words);
  else replayed.addBatch(message.bytes, message.sequence, message.uncounted, message.forgotten);
}

function end(): void {
  const words = ids.give();
  if (failure === null) port.postMessage({ words, readings: replayed.finish() } satisfies ReplayedIdsResult, [words.buffer]);
  else port.postMessage({ failure } satisfies ReplayedIdsResult);
  Atomics.store(progress, IS_OVER, 1);
  Atomics.notify(progress, IS_OVER);
  port.close();
}
