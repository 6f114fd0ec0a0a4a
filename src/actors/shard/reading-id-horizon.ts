/**
 * How far back in the log readingIds count: a second's are forgotten once so much log has come since it began. Were that left to what is trimmed, a restart would not know an id that the running shard
 * knew, and count what had been answered as a duplicate. So it is a function of the log alone, and the log is trimmed only where these seconds are forgotten for every record that may still be replayed.
 */

interface Second {
  /** Since 1970. */
  second: number;
  /** Its first batch. */
  sequence: number;
  /** Log before it, bytes. */
  bytesBefore: number;
  /** No batch before came later: the clock may go back. */
  isNewest: boolean;
}

export class ReadingIdHorizon {
  private readonly logBytes: number;
  /** Those that are not trimmed yet, oldest first; of `logBytes` Infinity none. */
  private readonly seconds: Second[] = [];
  /** Of `seconds`: those before are forgotten. */
  private remembered = 0;
  private newest = 0;
  private bytes = 0;
  private forgottenUpTo = 0;

  /** `logBytes`: of batches; Infinity: they are forgotten by the clock alone. */
  constructor(logBytes: number) {
    this.logBytes = logBytes;
  }

  /** The log that was counted so far begins with `sequence`, perhaps with ids of before. Call once, and before `neededFrom`. */
  begin(sequence: number): void {
    this.seconds.unshift({ second: -Infinity, sequence, bytesBefore: 0, isNewest: true });
    this.remembered++;
  }

  /** A batch is about to be counted, or was before and is passed over. Returns the newest second that is forgotten by now. */
  logged(sequence: number, nowMs: number, bytes: number): number {
    const { seconds, logBytes } = this;
    if (logBytes === Infinity) return 0;
    const second = Math.floor(nowMs / 1_000);
    if (seconds.at(-1)?.second !== second) seconds.push({ second, sequence, bytesBefore: this.bytes, isNewest: second >= this.newest });
    this.newest = Math.max(this.newest, second);
    for (; this.remembered < seconds.length && this.bytes - seconds[this.remembered].bytesBefore >= logBytes; this.remembered++) this.forgottenUpTo = Math.max(this.forgottenUpTo, seconds[this.remembered].second);
    this.bytes += bytes;
    return this.forgottenUpTo;
  }

  /**
   * First record of the log that has to stay, the beginning of a second that all that may be replayed, from `replayFrom` on, finds forgotten; ids that came before `sinceMs` count no more. Never goes
   * back. Where the clock did, it is a second as late as all before, unless the log would be twice as long for it.
   */
  neededFrom(replayFrom: number, sinceMs: number): number {
    const { seconds, logBytes } = this;
    if (logBytes === Infinity || seconds.length === 0) return replayFrom;
    let last = seconds.length - 1;
    while (last > 0 && seconds[last].sequence > replayFrom) last--;
    let first = 0;
    for (let i = 1; i <= last; i++) {
      const { second, bytesBefore, isNewest } = seconds[i];
      const bytes = seconds[last].bytesBefore - bytesBefore;
      const isOld = (second + 1) * 1_000 <= sinceMs;
      if (bytes < logBytes && !isOld) break;
      if (isNewest || bytes >= 2 * logBytes) first = i;
    }
    seconds.splice(0, first);
    this.remembered = Math.max(0, this.remembered - first);
    return Math.min(seconds[0].sequence, replayFrom);
  }
}
