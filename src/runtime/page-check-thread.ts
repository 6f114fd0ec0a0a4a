import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { META_PAGES } from './lmdb-layout.ts';
import { walkPages, type PageFinding } from './lmdb-pages.ts';
import { DAMAGED, GATE, WALKED, WHOLE, type PageCheckTask } from './page-check.ts';

/** The thread of a PageCheck: walks, says how far it is, and ends. */

const { path, last, early, progress: shared, findings: port } = workerData as PageCheckTask;
const progress = new Int32Array(shared);

/** Whoever reads meanwhile goes first where cores are few. Linux has a priority for each thread; elsewhere it would be the whole process's. */
const NICENESS = 10;
if (process.platform === 'linux') setPriority(NICENESS);

function say(walked: number): void {
  Atomics.store(progress, WALKED, walked);
  Atomics.notify(progress, WALKED);
}

function sayAndWait(walked: number): void {
  say(walked);
  if (early > 0 && walked === last.length - early) Atomics.wait(progress, GATE, 0);
}

let findings: PageFinding[];
try {
  findings = walkPages(path, { last, onWalked: sayAndWait });
} catch (error) {
  findings = [{ page: 0, table: META_PAGES, problem: `cannot be walked: ${(error as Error).message}` }];
}
if (findings.length > 0) port.postMessage(findings);
say(findings.length > 0 ? DAMAGED : WHOLE);
port.close();
