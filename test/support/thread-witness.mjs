import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Preloaded by engines of tests that ask which threads there were (engine-process.ts): each says its module on stderr as it starts. */

const STDERR = 2;

if (!isMainThread) writeSync(STDERR, `thread ${process.argv[1].split('/').at(-1)}\n`);
