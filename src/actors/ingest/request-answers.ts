import type { Unreadable } from '../../model/decoded-reading.ts';
import type { IngestStats } from './ingest-stats.ts';
import type { IngestRefusal } from './protocol.ts';
import type { RequestTally } from './request-tally.ts';

/** The requests of one ingest thread that wait for their answer, counted. */
export class RequestAnswers {
  private readonly counters: IngestStats;
  private idleListeners: (() => void)[] = [];

  constructor(counters: IngestStats) {
    this.counters = counters;
  }

  /** Answers a request of which nothing was taken. */
  refuse(refusal: IngestRefusal, done: (result: IngestRefusal) => void): void {
    this.counters.answered(refusal.status, 0);
    done(refusal);
  }

  /** A request was taken and will be answered. */
  taken(tally: RequestTally): void {
    if (tally.errors !== null) for (const error of tally.errors) this.counters.rejected(error.code);
    this.counters.requestsPending++;
  }

  /** Answers a taken request unless parts of it are not settled yet. `nowMs` is on the monotonic clock. */
  answerIfSettled(tally: RequestTally, nowMs: number): void {
    const status = tally.answerIfSettled();
    if (status === 0) return;
    const { counters } = this;
    counters.answered(status, nowMs - tally.startedAtMs);
    counters.requestsPending--;
    if (counters.requestsPending > 0 || this.idleListeners.length === 0) return;
    const listeners = this.idleListeners;
    this.idleListeners = [];
    for (const fn of listeners) fn();
  }

  /** Resolves when no request waits for an answer; at once when none does. */
  whenIdle(): Promise<void> {
    if (this.counters.requestsPending === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleListeners.push(resolve));
  }
}

/** Why nothing of a body counts. */
export function refusalOfUnreadable({ code, message, offset }: Unreadable): IngestRefusal {
  if (code === 'too_many_readings') return { status: 413, code, message };
  return offset === undefined ? { status: 400, code, message } : { status: 400, code, message, offset };
}
