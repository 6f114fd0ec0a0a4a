import { existsSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

/**
 * Preloaded by engines of tests in which damage is found late (engine-process.ts): the thread that walks the pages of a shard's tables beside it (page-check-thread.ts) stops before those that nobody waits for, for as long as there is a
 * file `<data directory>.held`. On a disk that is as large as the file says it would be busy for as long by itself.
 */

const FIRST_THAT_NOBODY_WAITS_FOR = 'samples';
const LOOK_MS = 10;

const isWalk = !isMainThread && process.argv[1].endsWith('/page-check-thread.ts');
const heldAt = isWalk ? workerData.last.indexOf(FIRST_THAT_NOBODY_WAITS_FOR) : -1;

if (heldAt >= 0) {
  const { notify } = Atomics;
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  // It says with it how many tables it has walked.
  Atomics.notify = (progress, index) => {
    const woken = notify(progress, index);
    while (progress[index] === heldAt && existsSync(`${process.env.SEG_DATA_DIR}.held`)) Atomics.wait(nothing, 0, 0, LOOK_MS);
    return woken;
  };
}
