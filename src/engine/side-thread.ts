import { OperationalError } from '../runtime/errors.ts';
import type { ChildStatus, Supervisor } from '../runtime/supervisor.ts';
import type { WorkerThread } from '../runtime/worker-thread.ts';
import { SINK_RESTARTS, type EngineThreads, type ThreadStart } from './engine-threads.ts';
import type { OutboxLink } from './outbox-link.ts';
import type { ConnectableThread } from './shard-links.ts';

/** The life of a thread that is never in the way, as those of alerts and of bills are: an engine waits for its first start and no longer, and goes on without it for as long as it is away. */

/** Codes of a start that will fail again, however often it is tried. */
const UNREADABLE_CODES: ReadonlySet<string> = new Set(['format', 'corrupt', 'storage_failed', 'invalid_settings']);

export interface SideThreadOptions extends Pick<ThreadStart, 'name' | 'module' | 'readyTimeoutMs'> {
  stopTimeoutMs: number;
}

/** What is told when the thread has come up, and when it has gone or is to be stopped. */
interface Follower<Up extends unknown[]> {
  up(...thread: Up): void;
  down(): void;
}

export interface SideThreadModules {
  threads: Pick<EngineThreads, 'start' | 'supervise' | 'fail'>;
  /** By which the engine asks it. */
  link: Follower<[ConnectableThread]>;
  /** By which the sink thread asks it. */
  outboxLink: Pick<OutboxLink, 'supervisorUp' | 'supervisorDown'>;
  /** Tells it of what it is to follow; up only from `startFeed` to `stopFeed`. */
  feed: Follower<[]>;
  /** What the thread's main takes; asked at each start. */
  threadOptions(): unknown;
  /** Everybody who is told of the thread was. */
  onUp(): void;
  /** Why the engine does not start when what the thread needs cannot be read, and what to do about it. */
  refusal(cause: OperationalError): string;
}

export class SideThread {
  private readonly options: SideThreadOptions;
  private readonly modules: SideThreadModules;
  private readonly supervisor: Supervisor;
  /** Settles with the first start, however it ended, unless that refuses the engine's. */
  private readonly attempted: Promise<void>;
  private settleAttempted!: () => void;
  /** null: nobody has needed the thread yet. */
  private awake: Promise<void> | null = null;
  private isUp = false;
  private wasUp = false;
  private isFeeding = false;

  /** Stopped in the phase `sinks`. */
  constructor(options: SideThreadOptions, modules: SideThreadModules) {
    const { name, stopTimeoutMs } = options;
    this.options = options;
    this.modules = modules;
    this.attempted = new Promise((resolve) => (this.settleAttempted = resolve));
    this.supervisor = modules.threads.supervise(name, [{ name, stopTimeoutMs, start: ({ epoch }) => this.start(epoch), down: () => this.down() }], { endsIn: 'sinks', restarts: SINK_RESTARTS });
  }

  /** Somebody has needed it. */
  get isAwake(): boolean {
    return this.awake !== null;
  }

  /** It has been up once: whoever asks it now hears from its link whether it is there. */
  get hasStarted(): boolean {
    return this.wasUp;
  }

  /**
   * Starts the thread unless somebody did. Resolves when it is there, or its first start has failed: one that is away does not keep an engine from starting. Rejects as the supervisor's start does, when that
   * first start refuses the engine's or it was stopped before.
   */
  wake(): Promise<void> {
    this.awake ??= Promise.race([this.supervisor.start(), this.attempted]);
    return this.awake;
  }

  status(): ChildStatus {
    return this.supervisor.status()[0];
  }

  /** The engine is ready: from now on it goes on without a thread that does not start. */
  startFeed(): void {
    this.isFeeding = true;
    if (this.isUp) this.modules.feed.up();
  }

  /** Nothing more is told; questions are answered until the thread goes. */
  stopFeed(): void {
    this.isFeeding = false;
    this.modules.feed.down();
  }

  private async start(epoch: number): Promise<WorkerThread<object>> {
    const { threads, link, outboxLink, feed, threadOptions, onUp } = this.modules;
    const { name, module, readyTimeoutMs } = this.options;
    const started = threads.start<object>({ name, module, epoch, options: threadOptions(), readyTimeoutMs });
    const thread = await started.catch((error: unknown) => this.didNotStart(error));
    link.up(thread);
    outboxLink.supervisorUp(thread);
    this.isUp = true;
    this.wasUp = true;
    this.settleAttempted();
    if (this.isFeeding) feed.up();
    onUp();
    return thread;
  }

  private down(): void {
    const { link, outboxLink, feed } = this.modules;
    this.isUp = false;
    feed.down();
    link.down();
    outboxLink.supervisorDown();
  }

  /** At the start of the engine what cannot be read stops it, with a word; later it goes on, however often the thread fails. Always throws. */
  private didNotStart(error: unknown): never {
    const { threads, refusal } = this.modules;
    const cause = error instanceof OperationalError ? error.cause : undefined;
    if (!this.wasUp && !this.isFeeding && cause instanceof OperationalError && UNREADABLE_CODES.has(cause.code)) {
      threads.fail(new OperationalError(cause.code, refusal(cause), { cause }));
      throw error;
    }
    this.settleAttempted();
    throw new OperationalError('thread_start_failed', (error as Error).message, { retryable: true, cause: error });
  }
}
