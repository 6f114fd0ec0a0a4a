import type { Channel, OutgoingMessage, SendOutcome } from '../../src/actors/notifications/channels/channel.ts';
import type { ChannelName } from '../../src/model/contact.ts';
import type { ProviderFault } from './alert-plan.ts';
import type { SimThread, SimTime } from './sim-thread.ts';

/** Simulated providers: what they took stays taken, whoever lives to hear of it. */

/** As the real adapters are. */
export const REPEATS: Readonly<Record<ChannelName, Channel['repeats']>> = { email: 'blind', sms: 'lookup', push: 'safe', webhook: 'safe', live: 'safe' };

/** A call of a channel. */
export interface Handed {
  channel: ChannelName;
  contactId: string;
  messageId: string;
  noticeIds: string[];
  /** The person has it. */
  went: boolean;
  /** What the supervisor was told; null: nothing, or it did not live to hear it. */
  answer: SendOutcome['kind'] | null;
}

export interface ProviderModules {
  time: SimTime;
  sendMsMax: number;
  onHanded(handed: Handed): void;
}

const ACCEPTED: SendOutcome = { kind: 'accepted', providerId: 'p', text: 'Taken.' };
const NEVER = new Promise<never>(() => {});

export class SimProviders {
  /** What the next calls meet. */
  readonly faults = new Map<ChannelName, { fault: ProviderFault; retryAfterMs: number | null }[]>();
  lookupsToFail = 0;
  /** Any channel ever did anything but accept. */
  wereWell = true;
  private readonly modules: ProviderModules;
  private readonly taken = new Set<string>();

  constructor(modules: ProviderModules) {
    this.modules = modules;
  }

  heal(): void {
    this.faults.clear();
    this.lookupsToFail = 0;
  }

  channels(thread: SimThread): Map<ChannelName, Channel> {
    return new Map((Object.keys(REPEATS) as ChannelName[]).map((name) => [name, this.channel(name, thread)]));
  }

  private channel(name: ChannelName, thread: SimThread): Channel {
    return {
      name,
      repeats: REPEATS[name],
      unreachable: (addresses) => (name === 'live' || (name === 'push' ? addresses.push.length > 0 : addresses[name] !== null) ? null : `There is no address for ${name}.`),
      send: (message) => this.send(name, message, thread),
      ...(REPEATS[name] === 'lookup' && { lookup: (message: OutgoingMessage) => this.lookup(name, message, thread) }),
      close: async () => {},
    };
  }

  private async send(channel: ChannelName, message: OutgoingMessage, thread: SimThread): Promise<SendOutcome> {
    const { time, sendMsMax, onHanded } = this.modules;
    const { deliveryId: messageId, contactId } = message;
    const met = this.faults.get(channel)?.shift() ?? null;
    const { outcome, went, afterMs } = meeting(met);
    if (met !== null && met.fault !== 'slow') this.wereWell = false;
    const handed: Handed = { channel, contactId, messageId, noticeIds: message.document as string[], went, answer: null };
    if (went) this.taken.add(`${channel} ${messageId}`);
    onHanded(handed);
    await pass(thread, afterMs + time.random.int(0, sendMsMax));
    if (outcome === null) return NEVER;
    handed.answer = outcome.kind;
    return outcome;
  }

  private async lookup(channel: ChannelName, { deliveryId }: OutgoingMessage, thread: SimThread): Promise<{ kind: 'sent'; providerId: string } | { kind: 'not_sent' } | { kind: 'unknown'; text: string }> {
    await pass(thread, this.modules.time.random.int(0, this.modules.sendMsMax));
    if (this.lookupsToFail > 0) {
      this.lookupsToFail--;
      return { kind: 'unknown', text: 'The provider did not answer.' };
    }
    return this.taken.has(`${channel} ${deliveryId}`) ? { kind: 'sent', providerId: 'p' } : { kind: 'not_sent' };
  }
}

function meeting(met: { fault: ProviderFault; retryAfterMs: number | null } | null): { outcome: SendOutcome | null; went: boolean; afterMs: number } {
  const unknown: SendOutcome = { kind: 'unknown', code: 'timeout', text: 'No answer in time.' };
  switch (met?.fault) {
    case undefined:
      return { outcome: ACCEPTED, went: true, afterMs: 0 };
    case 'slow':
      return { outcome: ACCEPTED, went: true, afterMs: 60_000 };
    case 'retry':
      return { outcome: { kind: 'retry', code: '503', text: 'Not now.', retryAfterMs: met!.retryAfterMs, isProvider: true }, went: false, afterMs: 0 };
    case 'busy':
      return { outcome: { kind: 'retry', code: '429', text: 'Too many.', retryAfterMs: met!.retryAfterMs, isProvider: false }, went: false, afterMs: 0 };
    case 'rejected':
      return { outcome: { kind: 'rejected', code: '21211', text: 'No such address.' }, went: false, afterMs: 0 };
    case 'stopped':
      return { outcome: { kind: 'rejected', code: '21610', text: 'They have stopped it.', unsubscribed: true }, went: false, afterMs: 0 };
    case 'unknownWent':
      return { outcome: unknown, went: true, afterMs: 10_000 };
    case 'unknownLost':
      return { outcome: unknown, went: false, afterMs: 10_000 };
    case 'hangWent':
      return { outcome: null, went: true, afterMs: 0 };
    case 'hangLost':
      return { outcome: null, went: false, afterMs: 0 };
  }
}

/** Never resolves once the thread is dead. */
function pass(thread: SimThread, ms: number): Promise<void> {
  return new Promise((resolve) => thread.timers.after(ms, resolve));
}
