import type { OutgoingMessage } from '../../src/actors/notifications/channels/channel.ts';
import { WEBHOOK_SECRET } from './webhook-server.ts';

/** A message as templates make it, with every address. */
export function outgoingMessage(change: Partial<Omit<OutgoingMessage, 'addresses'>> & { addresses?: Partial<OutgoingMessage['addresses']> } = {}): OutgoingMessage {
  const { addresses, ...rest } = change;
  return {
    deliveryId: 'rule=overload,region=region-03/7/anna',
    attempt: 1,
    collapseKey: 'rule=overload,region=region-03',
    severity: 'CRITICAL',
    reason: 'new',
    contactId: 'anna',
    subject: 'Region region-03 is at 94 % of its capacity',
    text: 'Region region-03 is at 94 % of its capacity since 14:30.',
    html: null,
    pictures: [],
    link: 'https://grid.example/alerts/1',
    unsubscribeLink: 'https://grid.example/unsubscribe/abc.def',
    document: { type: 'alert.new', timestamp: '2026-11-27T04:00:00.000Z', data: { severity: 'CRITICAL' } },
    ...rest,
    addresses: { email: 'anna@example.org', sms: '+41791234567', push: [], webhook: { url: 'https://hooks.example/', secret: WEBHOOK_SECRET }, ...addresses },
  };
}
