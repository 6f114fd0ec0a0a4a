/** Time is passed in, so that tests and the simulator own it. */

export interface Clock {
  /** Wall clock, whole epoch milliseconds. May jump. */
  now(): number;
  /** Milliseconds since an arbitrary start; never jumps. For deadlines and durations. */
  monotonic(): number;
}

/** A clock whose monotonic time can be compared over threads: a message stamped on one is timed on another. */
export interface SharedClock extends Clock {
  /** Milliseconds that never jump, on one scale for all threads of this process. */
  sharedMonotonic(): number;
}

export interface TimerHandle {
  cancel(): void;
}

export interface Timers {
  /** Calls `fn` once, `delayMs` from now. */
  after(delayMs: number, fn: () => void): TimerHandle;
  /** Calls `fn` every `intervalMs`, first one interval from now. */
  every(intervalMs: number, fn: () => void): TimerHandle;
}

export const systemClock: SharedClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sharedMonotonic: () => performance.timeOrigin + performance.now(),
};

/** The system's clock moved by `offsetMs`; what never jumps stays as it is. For fault injection alone. */
export class OffsetClock implements SharedClock {
  offsetMs: number;

  constructor(offsetMs = 0) {
    this.offsetMs = offsetMs;
  }

  now(): number {
    return systemClock.now() + this.offsetMs;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  sharedMonotonic(): number {
    return systemClock.sharedMonotonic();
  }
}

export const systemTimers: Timers = {
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every(intervalMs, fn) {
    const timer = setInterval(fn, intervalMs);
    return { cancel: () => clearInterval(timer) };
  },
};
