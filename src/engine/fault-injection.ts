import type { FaultRequest } from '../http/fault-route.ts';
import { OffsetClock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { FaultBoot } from '../runtime/thread-faults.ts';
import type { WorkerThread } from '../runtime/worker-thread.ts';

/** The other end of POST /fault: breaks threads and moves clocks. Made only when the setting faultInjection is on. */
export class FaultInjection {
  /** The main thread's clock. */
  readonly clock = new OffsetClock();
  private readonly threads: ReadonlyMap<string, WorkerThread<object>>;
  private readonly deadlineMs: number;

  /** `threads` by name, as they are at any time. */
  constructor(threads: ReadonlyMap<string, WorkerThread<object>>, deadlineMs: number) {
    this.threads = threads;
    this.deadlineMs = deadlineMs;
  }

  /** For a thread that starts now. */
  boot(): FaultBoot {
    return { clockOffsetMs: this.clock.offsetMs };
  }

  /** Rejects with OperationalError `no_such_thread`, or what the thread's control call rejects with. */
  async inject(request: FaultRequest): Promise<void> {
    if ('clockOffsetMs' in request) {
      const { clockOffsetMs } = request;
      this.clock.offsetMs = clockOffsetMs;
      await Promise.all([...this.threads.values()].map((thread) => thread.call('setClockOffset', [clockOffsetMs], this.deadlineMs)));
      return;
    }
    const thread = this.threads.get(request.thread);
    if (thread === undefined) throw new OperationalError('no_such_thread', `no thread ${request.thread} runs now`, { retryable: true });
    await thread.call('injectFault', [request.fault], this.deadlineMs);
  }
}
