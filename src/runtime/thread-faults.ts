import type { OffsetClock } from './clock.ts';

/** Faults a thread can be told to have, for `seg prove`: only threads that were started with a FaultBoot know how. */

/** Throws where nobody catches, ends without a word, or never comes back to its event loop. */
export const THREAD_FAULTS = ['throw', 'exit', 'spin'] as const;
export type ThreadFault = (typeof THREAD_FAULTS)[number];

/** What a thread that may be broken starts with. */
export interface FaultBoot {
  /** How far its wall clock is from the system's, ms. */
  clockOffsetMs: number;
}

/** Any code but 0 and 1, so that a log tells an injected exit from others. */
const EXIT_CODE = 86;

/** The control calls of a thread that may be broken. A fault strikes in the next turn of the event loop, so that the call is answered. */
export function faultControl(clock: OffsetClock): { injectFault(fault: ThreadFault): void; setClockOffset(offsetMs: number): void } {
  return {
    injectFault(fault) {
      setImmediate(() => strike(fault));
    },
    setClockOffset(offsetMs) {
      clock.offsetMs = offsetMs;
    },
  };
}

function strike(fault: ThreadFault): void {
  if (fault === 'throw') throw new Error('an injected fault');
  if (fault === 'exit') process.exit(EXIT_CODE);
  for (;;);
}
