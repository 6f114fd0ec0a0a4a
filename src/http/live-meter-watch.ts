import type { Subject } from '../model/access.ts';
import type { MeterId, RegionId } from '../model/ids.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { LiveItem } from './live-changes.ts';
import { LiveChannel } from './live-channel.ts';
import { meterNowShape } from './live-shapes.ts';
import type { LiveSource, MeterNow } from './live-source.ts';

/** `changed`: there is a channel, and something new in it. */
export type MeterWatchOutcome = 'changed' | 'unknown_meter' | { unavailable: string };

/** One meter while somebody watches it: asked about again and again, at most one question under way, and a channel that exists once the first answer came. */
export class MeterWatch {
  readonly meterId: MeterId;
  /** Nothing of it from before is told; null: all of it is. */
  readonly since: number | null;
  /** null before the first answer. */
  channel: LiveChannel | null = null;
  /** As of the last answer. */
  subject: Subject;
  isClosed = false;
  readonly #makeChannel: (feed: ConstructorParameters<typeof LiveChannel>[0]) => LiveChannel;
  readonly #answered: (watch: MeterWatch, outcome: MeterWatchOutcome) => void;
  #data: object | null = null;
  #text = '';
  #tell: ((item: LiveItem) => void) | null = null;
  #isFailing = false;

  /** `answered` runs when a question brought something new or failed. */
  constructor(meterId: MeterId, since: number | null, makeChannel: (feed: ConstructorParameters<typeof LiveChannel>[0]) => LiveChannel, answered: (watch: MeterWatch, outcome: MeterWatchOutcome) => void) {
    this.meterId = meterId;
    this.since = since;
    this.subject = { meterId, region: null };
    this.#makeChannel = makeChannel;
    this.#answered = answered;
  }

  /** Resolves when it was answered, or not; never rejects. */
  async ask(source: LiveSource): Promise<void> {
    try {
      const answer = await source.watchMeter(this.meterId, this.since);
      if (!this.isClosed) this.#take(answer);
    } catch (error) {
      if (!this.isClosed) this.#fail(error);
    }
  }

  close(): void {
    this.isClosed = true;
    this.channel?.close();
  }

  #take(answer: MeterNow | null): void {
    if (answer === null && this.since !== null) return this.#fail(new OperationalError('no_readings', 'it has sent nothing since it is yours'));
    this.#isFailing = false;
    if (answer === null) {
      this.#answered(this, 'unknown_meter');
      return;
    }
    this.subject = { meterId: this.meterId, region: answer.meter.region as RegionId };
    const data = meterNowShape(answer);
    const text = JSON.stringify(data);
    if (text === this.#text) return;
    this.#data = data;
    this.#text = text;
    if (this.channel === null) this.channel = this.#makeChannel({ lists: null, itemsMax: 1, snapshot: () => this.#data!, listen: (changed) => this.#listen(changed) });
    else this.#tell?.({ list: '', key: '', subject: this.subject, toWire: () => data });
    this.#answered(this, 'changed');
  }

  #listen(changed: (item: LiveItem) => void): () => void {
    this.#tell = changed;
    return () => {
      this.#tell = null;
    };
  }

  /** Tells of the first failure of a row only: the next question comes in a second. */
  #fail(error: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    const reason = error instanceof OperationalError ? error.message : 'its shard gave no answer';
    this.#answered(this, { unavailable: reason });
  }
}
