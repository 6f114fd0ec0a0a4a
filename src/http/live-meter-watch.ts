import { OperationalError } from '../runtime/errors.ts';
import { LiveChannel, type Change } from './live-channel.ts';
import { meterToWire, type ChannelName } from './live-protocol.ts';
import type { LiveSource, MeterNow } from './live-source.ts';

/** `answered` runs when a poll brought something new or failed; `channel` is null before the first answer. */
export type MeterWatchOutcome = 'changed' | 'unknown_meter' | { unavailable: string };

/**
 * Polls one meter while somebody watches it: at most one question under way, and a channel that exists once the first
 * answer came.
 */
export class MeterWatch {
  readonly name: ChannelName;
  channel: LiveChannel | null = null;
  readonly #meterId: string;
  readonly #source: LiveSource;
  readonly #answered: (watch: MeterWatch, outcome: MeterWatchOutcome) => void;
  #data: object | null = null;
  #text = '';
  #changed = false;
  #asking = false;
  #closed = false;
  #failing = false;

  constructor(meterId: string, source: LiveSource, answered: (watch: MeterWatch, outcome: MeterWatchOutcome) => void) {
    this.name = `meter:${meterId}`;
    this.#meterId = meterId;
    this.#source = source;
    this.#answered = answered;
  }

  poll(): void {
    if (this.#asking || this.#closed) return;
    this.#asking = true;
    this.#source.watchMeter(this.#meterId).then(
      (answer) => this.#settle(() => this.#take(answer)),
      (error: unknown) => this.#settle(() => this.#fail(error)),
    );
  }

  close(): void {
    this.#closed = true;
  }

  #settle(then: () => void): void {
    this.#asking = false;
    if (!this.#closed) then();
  }

  #take(answer: MeterNow | null): void {
    this.#failing = false;
    if (answer === null) {
      this.#answered(this, 'unknown_meter');
      return;
    }
    const data = meterToWire(answer);
    const text = JSON.stringify(data);
    if (text === this.#text) return;
    this.#data = data;
    this.#text = text;
    this.#changed = true;
    this.channel ??= new LiveChannel(this.name, {
      snapshot: () => this.#data!,
      takeChange: () => this.#takeChange(),
      close: () => {},
    });
    this.#answered(this, 'changed');
  }

  #takeChange(): Change {
    if (!this.#changed) return null;
    this.#changed = false;
    return this.#data;
  }

  /** Tells of the first failure of a row only: the next poll comes in a second. */
  #fail(error: unknown): void {
    if (this.#failing) return;
    this.#failing = true;
    const reason = error instanceof OperationalError ? error.message : 'its shard gave no answer';
    this.#answered(this, { unavailable: reason });
  }
}
