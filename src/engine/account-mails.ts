import { randomUUID } from 'node:crypto';
import type { AccountMails } from '../actors/accounts/mailed-links.ts';
import type { User } from '../actors/accounts/protocol.ts';
import type { Channel } from '../actors/notifications/channels/channel.ts';
import type { Clock, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';

/** Mails about accounts, over the mail server of the alerts. Plain text: what it says is short, and a link in it can be seen before it is followed. Nothing of it that a stranger wrote stands in the text. */

const CLOSING = 'If you did not ask for this, do nothing: nothing changes.';

export interface MailSettings {
  smtpUrl: string | null;
  smtpFrom: string | null;
  publicUrl: string | null;
}

/** null: there is no mail server. What sends mails is loaded where there is one alone: it is 25 MiB. */
export async function accountMails({ smtpUrl, smtpFrom, publicUrl }: MailSettings, modules: { clock: Clock; timers: Timers; log: Log }): Promise<AccountMails | null> {
  if (smtpUrl === null || smtpFrom === null) return null;
  const { emailChannel } = await import('../actors/notifications/channels/email.ts');
  return new ChannelMails(emailChannel({ url: smtpUrl, from: smtpFrom }, modules), publicUrl, modules.log);
}

class ChannelMails implements AccountMails {
  private readonly channel: Channel;
  private readonly publicUrl: string | null;
  private readonly log: Log;

  constructor(channel: Channel, publicUrl: string | null, log: Log) {
    this.channel = channel;
    this.publicUrl = publicUrl;
    this.log = log;
  }

  registered(email: string, _name: string, token: string): void {
    this.send(email, 'Your account at Smart Energy Grid', `Somebody, we think you, asked for an account with this address. Choose a password within 24 hours:\n\n${this.link('verify', token)}\n\n${CLOSING}`);
  }

  alreadyRegistered({ email }: User): void {
    if (email !== null) this.send(email, 'Your account at Smart Energy Grid', `Somebody, perhaps you, asked for an account with this address. You have one already: log in with it, or ask for another password.\n\n${CLOSING}`);
  }

  reset({ email }: User, token: string): void {
    if (email !== null) this.send(email, 'Another password for Smart Energy Grid', `Somebody, we think you, asked for another password. Choose one within an hour:\n\n${this.link('reset', token)}\n\n${CLOSING}`);
  }

  close(): Promise<void> {
    return this.channel.close();
  }

  /** After `#`: browsers keep that to themselves, so the token is in no log of a server and in no Referer. */
  private link(page: 'verify' | 'reset', token: string): string {
    return this.publicUrl === null ? `Code: ${token}` : `${this.publicUrl}/#${page}/${token}`;
  }

  private send(email: string, subject: string, text: string): void {
    const message = {
      deliveryId: `account-${randomUUID()}`,
      attempt: 1,
      collapseKey: `account-${email}`,
      severity: 'INFO',
      reason: 'new',
      addresses: { email, sms: null, push: [], webhook: null },
      contactId: '',
      link: null,
      unsubscribeLink: null,
      document: {},
      subject,
      text,
      html: null,
      pictures: [],
    } as const;
    void this.channel.send({ ...message, addresses: { ...message.addresses, push: [] }, pictures: [] }).then((outcome) => {
      // Without the address: whom it was for is nobody's who reads logs.
      if (outcome.kind !== 'accepted') this.log.warn({ code: outcome.code }, 'a mail about an account did not go; who waits for it may ask again');
    });
  }
}
