/** Why an actor or a thread ended. */
export type ExitReason =
  /** It was asked to stop and did. */
  | { kind: 'stopped' }
  /** Its owner ended it without asking, or it did not stop within its time. */
  | { kind: 'terminated' }
  /** It threw, or said it cannot go on. */
  | { kind: 'crashed'; error: Error }
  /** A thread that left by itself, with its exit code. */
  | { kind: 'exited'; code: number }
  /** A thread that gave no sign of life for `silentMs` and was terminated. */
  | { kind: 'hung'; silentMs: number };

/** The reason in words, to follow a name: "shard-0 crashed: …". */
export function describeExit(reason: ExitReason): string {
  switch (reason.kind) {
    case 'stopped':
      return 'stopped';
    case 'terminated':
      return 'was terminated';
    case 'crashed':
      return `crashed: ${reason.error.message}`;
    case 'exited':
      return `exited by itself with code ${reason.code}`;
    case 'hung':
      return `hung: no sign of life for ${Math.round(reason.silentMs)} ms`;
  }
}
