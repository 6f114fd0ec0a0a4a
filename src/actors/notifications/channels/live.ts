import type { Timers } from '../../../runtime/clock.ts';
import type { Channel, OutgoingMessage, SendOutcome } from './channel.ts';
import { refuseFaults, timeFaults } from './channel-settings.ts';
import { OutcomeText } from './outcome-text.ts';

/** What a person with the dashboard open gets on the live stream. */
export interface LiveNotification {
  /** The same at every attempt: a client shows one once. */
  id: string;
  /** Takes the place of an older one of the same. */
  replaces: string;
  document: object;
}

export interface LiveOptions {
  /** Hands it to the contact's open connections and says how many took it. */
  publish(contactId: string, notification: LiveNotification): Promise<number> | number;
  /** Default 5 s: the stream is in this process. */
  publishTimeoutMs?: number;
}

/** The engine's own WebSocket stream (docs/ARCHITECTURE.md). A contact without an open connection is told on the next channel. Throws `invalid_settings`. */
export function liveChannel({ publish, publishTimeoutMs = 5_000 }: LiveOptions, { timers }: { timers: Timers }): Channel {
  refuseFaults('live', timeFaults({ publishTimeoutMs }));
  const texts = new OutcomeText([]);
  return {
    name: 'live',
    repeats: 'safe',
    unreachable: () => null,
    send({ contactId, deliveryId, collapseKey, document }: OutgoingMessage): Promise<SendOutcome> {
      return new Promise((resolve) => {
        const deadline = timers.after(publishTimeoutMs, () => resolve({ kind: 'unknown', code: 'timeout', text: `The live stream did not say within ${publishTimeoutMs} ms whether it took it.` }));
        // The stream is in this process: what it refused has gone nowhere.
        const refused = (error: unknown): SendOutcome => ({ kind: 'retry', code: 'stream', text: texts.clean(`The live stream did not take it: ${error instanceof Error ? error.message : String(error)}.`), retryAfterMs: null, isProvider: true });
        void Promise.resolve()
          .then(() => publish(contactId, { id: deliveryId, replaces: collapseKey, document }))
          .then(outcomeOf, refused)
          .then(resolve)
          .finally(() => deadline.cancel());
      });
    },
    async close() {},
  };
}

function outcomeOf(connections: number): SendOutcome {
  if (connections > 0) return { kind: 'accepted', providerId: null, text: `${connections} open ${connections === 1 ? 'connection' : 'connections'} took it.` };
  return { kind: 'rejected', code: 'not_connected', text: 'The person has no open connection.' };
}
