import type { Log } from '../runtime/log.ts';
import { CLOSE } from './live-protocol.ts';
import type { LiveReader } from './live-reader.ts';

/** What waits in memory for readers that do not read: bounded for each and for all of them together. */

export interface BacklogLimits {
  /** Unsent bytes past which a reader gets nothing more until it has read. */
  softBufferBytes: number;
  /** Unsent bytes that a further message does not go past, unless none are unsent. */
  hardBufferBytes: number;
  /** Unsent bytes of all readers; past it those with the most are cut off. */
  unsentBytesMax: number;
  /** How long a message may wait for a reader to read others. */
  slowMsMax: number;
}

/** Down to which share of the bound readers are cut off when it is passed: not again with the next message. */
const CUT_DOWN_TO = 0.75;

export class LiveBacklog {
  unsentBytes = 0;
  closedSlow = 0;
  readonly #limits: BacklogLimits;
  readonly #modules: { log: Log; gone: (reader: LiveReader) => void };
  readonly #behind = new Set<LiveReader>();
  readonly #held = new Set<LiveReader>();

  /** `gone` is told of each reader that is closed here. */
  constructor(limits: BacklogLimits, modules: { log: Log; gone: (reader: LiveReader) => void }) {
    this.#limits = limits;
    this.#modules = modules;
  }

  /** Sends the message, or says that it is not the time: the reader is told when it is, by its outlet. After true the reader may be gone. */
  send(reader: LiveReader, message: Uint8Array, nowMs: number): boolean {
    const { softBufferBytes, hardBufferBytes } = this.#limits;
    this.count(reader);
    const { unsentBytes } = reader;
    if (unsentBytes > softBufferBytes || (unsentBytes > 0 && unsentBytes + message.length > hardBufferBytes)) {
      reader.heldSinceMs ??= nowMs;
      this.#held.add(reader);
      return false;
    }
    this.#release(reader);
    this.sendAnyway(reader, message);
    return true;
  }

  /** The reader may be gone after it. */
  sendAnyway(reader: LiveReader, message: Uint8Array): void {
    reader.outlet.send(message);
    this.settle(reader);
  }

  /** Counts what waits for the reader after something was sent, and cuts down where it is too much for all. The reader may be gone after it. */
  settle(reader: LiveReader): void {
    this.count(reader);
    if (this.unsentBytes > this.#limits.unsentBytesMax) this.#cutDown();
  }

  /** Counts what waits for the reader, as it is now. */
  count(reader: LiveReader): void {
    if (reader.isGone) return;
    const unsentBytes = reader.outlet.unsentBytes();
    if (unsentBytes === reader.unsentBytes) return;
    this.unsentBytes += unsentBytes - reader.unsentBytes;
    reader.unsentBytes = unsentBytes;
    if (unsentBytes > 0) this.#behind.add(reader);
    else this.#behind.delete(reader);
  }

  /** Closes those for whom a message has waited too long. */
  closeSlow(nowMs: number): void {
    for (const reader of this.#held) {
      if (nowMs - reader.heldSinceMs! <= this.#limits.slowMsMax) continue;
      this.closedSlow++;
      this.#modules.log.warn({ unsentBytes: reader.unsentBytes }, 'closed a live connection that reads too slowly');
      this.#close(reader, () => reader.outlet.end(CLOSE.tryAgainLater, 'reading too slowly'));
    }
  }

  /** The reader is gone, and what waited for it. */
  forget(reader: LiveReader): void {
    this.unsentBytes -= reader.unsentBytes;
    reader.unsentBytes = 0;
    this.#behind.delete(reader);
    this.#release(reader);
  }

  #release(reader: LiveReader): void {
    if (reader.heldSinceMs === null) return;
    reader.heldSinceMs = null;
    this.#held.delete(reader);
  }

  /** Those with the most unsent go first, without a word: it would wait behind all that they have not read. */
  #cutDown(): void {
    const { unsentBytesMax } = this.#limits;
    for (const reader of this.#behind) this.count(reader);
    const most = [...this.#behind].sort((a, b) => b.unsentBytes - a.unsentBytes);
    let cut = 0;
    if (this.unsentBytes > unsentBytesMax) {
      for (; this.unsentBytes > CUT_DOWN_TO * unsentBytesMax && cut < most.length; cut++) this.#close(most[cut], () => most[cut].outlet.destroy());
    }
    if (cut === 0) return;
    this.closedSlow += cut;
    this.#modules.log.warn({ connections: cut, unsentBytesMax }, 'cut off the live connections that were furthest behind: what waited for all of them was more than is kept');
  }

  #close(reader: LiveReader, how: () => void): void {
    this.#modules.gone(reader);
    how();
  }
}
