import type { Channel } from '../actors/notifications/channels/channel.ts';
import { liveChannel, type LiveOptions } from '../actors/notifications/channels/live.ts';
import { twilioChannel } from '../actors/notifications/channels/sms-twilio.ts';
import { webhookChannel } from '../actors/notifications/channels/webhook.ts';
import type { ChannelName } from '../model/contact.ts';
import type { Clock, Timers } from '../runtime/clock.ts';

/** The ways to people that the settings name. Without a provider there are webhooks and the live stream alone. */
export interface ChannelSettings {
  email: { url: string; from: string } | null;
  /** `from`: a number, or the SID of a messaging service. */
  sms: { accountSid: string; authToken: string; from: string; baseUrl: string } | null;
  push: { serviceAccount: unknown; baseUrl: string } | null;
}

/** Rejects with OperationalError `invalid_settings`. What mail and push need is loaded where they are on alone: it is 25 MiB and a quarter of a second. */
export async function alertChannels({ email, sms, push }: ChannelSettings, modules: { clock: Clock; timers: Timers; publish: LiveOptions['publish'] }): Promise<Map<ChannelName, Channel>> {
  const channels: Channel[] = [webhookChannel({}, modules), liveChannel({ publish: modules.publish }, modules)];
  if (email !== null) {
    const { emailChannel } = await import('../actors/notifications/channels/email.ts');
    channels.push(emailChannel(email, modules));
  }
  if (sms !== null) {
    const { from, ...account } = sms;
    const isService = from.startsWith('MG');
    channels.push(twilioChannel({ ...account, from: isService ? null : from, messagingServiceSid: isService ? from : null }, modules));
  }
  if (push !== null) {
    const { fcmChannel } = await import('../actors/notifications/channels/push-fcm.ts');
    channels.push(fcmChannel(push, modules));
  }
  return new Map(channels.map((channel) => [channel.name, channel]));
}
