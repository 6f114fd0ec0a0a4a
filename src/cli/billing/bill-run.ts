import type { BillingRun } from '../../model/billing.ts';
import type { Clock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { plainLine } from '../../actors/notifications/templates/plain-line.ts';
import type { ApiClient } from '../api-client.ts';
import type { Print } from '../engine-command.ts';
import { progressBar, rateParts } from '../progress-bar.ts';
import { ProgressLine, withThousands, type ProgressStream } from '../progress-line.ts';
import { pause } from '../retry-policy.ts';

/** A monthly run, watched until it is over. It is the engine's: it goes on without anybody who watches. */

const RUNS = '/api/v1/billing-runs';
const POLL_MS = 500;
/** Of those that could not be billed. */
const FAULTS_SHOWN = 20;

type WireRun = Omit<BillingRun, 'startedAt' | 'endedAt'> & { startedAt: string; endedAt: string | null };

export interface WatchModules {
  clock: Clock;
  progress: ProgressStream;
  signal?: AbortSignal;
}

/** Starts the month's run, or finds the one that is there, and watches it. True when everybody has a bill. Throws OperationalError: those of ApiClient, and `aborted` when the watching was stopped. */
export async function runMonth(api: ApiClient, { month, by, isWatched }: { month: string; by: string; isWatched: boolean }, print: Print, modules: WatchModules): Promise<boolean> {
  const started = (await api.post(RUNS, { month, by })) as unknown as WireRun;
  if (!isWatched) {
    print(`run ${plainLine(started.id)} of ${month}: ${stateText(started)}\n`);
    return true;
  }
  const run = await watch(api, started, modules);
  print(summary(run));
  return run.state === 'done' && run.failed === 0;
}

async function watch(api: ApiClient, started: WireRun, { clock, progress, signal }: WatchModules): Promise<WireRun> {
  const line = new ProgressLine(progress);
  const from = { done: started.done, atMs: clock.monotonic() };
  let run = started;
  try {
    while (run.state === 'running' || run.state === 'paused') {
      const nowMs = clock.monotonic();
      if (line.due(nowMs)) line.show(progressText(run, (run.done - from.done) / (nowMs - from.atMs), nowMs - from.atMs), nowMs);
      await pause(POLL_MS, signal);
      run = (await api.document(`${RUNS}/${encodeURIComponent(run.id)}`)) as unknown as WireRun;
    }
    return run;
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code !== 'aborted') throw error;
    throw new OperationalError('aborted', `the run of ${run.month} goes on in the engine; the same command watches it again`, { cause: error });
  } finally {
    line.end();
  }
}

/** `[########----------------]  33 %  33,120 of 100,000 agreements  33,118 invoices  2 without  1,240/s  54s left`. */
export function progressText({ agreements, done, issued, failed, state }: WireRun, donePerMs: number, watchedMs: number): string {
  return [
    progressBar(done, agreements),
    `${withThousands(done)} of ${withThousands(agreements)} agreements`,
    `${withThousands(issued)} invoices`,
    ...(failed > 0 ? [`${withThousands(failed)} without`] : []),
    ...(state === 'paused' ? ['waiting for a part of the engine'] : rateParts(agreements - done, donePerMs, watchedMs)),
  ].join('  ');
}

function summary(run: WireRun): string {
  const { id, month, agreements, done, issued, incomplete, failed, faults } = run;
  const without = failed > 0 ? `, ${withThousands(failed)} could not be billed` : '';
  const missing = incomplete !== null && incomplete.bills > 0 ? `, ${withThousands(incomplete.bills)} of them with quarter-hours missing (more than a tenth in ${withThousands(incomplete.aboveTenth)})` : '';
  const listed = faults.slice(0, FAULTS_SHOWN).map(({ agreementId, code, message }) => `  ${plainLine(`${agreementId}: ${message} [${code}]`)}\n`);
  const more = failed > listed.length ? [`  and ${withThousands(failed - listed.length)} more\n`] : [];
  return [
    `run ${plainLine(id)} of ${month}: ${stateText(run)}. ${withThousands(done)} of ${withThousands(agreements)} agreements, ${withThousands(issued)} invoices issued${missing}${without}\n`,
    ...listed,
    ...more,
    `seg bill list --run ${plainLine(id)} lists the invoices\n`,
  ].join('');
}

function stateText({ state }: WireRun): string {
  return { running: 'under way', paused: 'waits for a part of the engine and goes on by itself', done: 'done', failed: 'failed' }[state];
}
