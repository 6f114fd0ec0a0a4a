import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import MailComposer from 'nodemailer/lib/mail-composer';
import SMTPPool from 'nodemailer/lib/smtp-pool';
import type { Clock, Timers } from '../../../runtime/clock.ts';
import type { Channel, OutgoingMessage, SendOutcome } from './channel.ts';
import { refuseFaults, timeFaults, urlOf, type SettingFault } from './channel-settings.ts';
import { messageIdOf } from './delivery-reference.ts';
import { OutcomeText } from './outcome-text.ts';
import { smtpOutcome } from './smtp-outcome.ts';

/**
 * E-mail over SMTP (RFC 5321) through nodemailer's pool, with STARTTLS (RFC 3207) or TLS from the start (RFC 8314), one-click unsubscription (RFC 8058) and the mark of a message that no person wrote (RFC 3834).
 */

export interface EmailOptions {
  /** smtp://user:password@host:587, or smtps:// with TLS from the start (port 465). User and password as URLs write them, or neither. */
  url: string;
  /** `Smart Energy Grid <grid@example.com>`, or the address alone. */
  from: string;
  /** Of smtp://: without TLS no message goes (`required`), TLS where the server has it, or never. Default `required`, of a server on this machine `offered`. */
  startTls?: 'required' | 'offered' | 'never' | null;
  /** Most at once; default 4. */
  connections?: number;
  /** Until the server has greeted, its name and TLS included; default 10 s. */
  connectTimeoutMs?: number;
  /** Silence of the server at any later step; default 30 s. */
  answerTimeoutMs?: number;
  /** For the whole of a message, its wait for a connection included; default 60 s. */
  sendTimeoutMs?: number;
  /** Certificate authorities in PEM beside Node's; default none. */
  ca?: string | null;
}

export type EmailSettings = Required<EmailOptions>;

/** Messages over one connection: many servers refuse more than a hundred. */
const MESSAGES_PER_CONNECTION = 50;
/** A connection that nobody uses is closed before servers do. */
const IDLE_MS_MAX = 30_000;
/** Bytes of a server's reply, all its lines: some write ten. */
const REPLY_BYTES_MAX = 64 * 1024;
/** Bytes handed to the connection at a time. */
const SLICE_BYTES = 16 * 1024;
const SENDER = /^(?:([^<>"\p{Cc}]*)<([^\s<>@,;]+@[^\s<>@,;]+)>|([^\s<>@,;]+@[^\s<>@,;]+))$/u;

export function emailSettings(options: EmailOptions): EmailSettings {
  return { startTls: null, connections: 4, connectTimeoutMs: 10_000, answerTimeoutMs: 30_000, sendTimeoutMs: 60_000, ca: null, ...options };
}

export function emailFaults(options: EmailOptions): SettingFault[] {
  const { url: raw, from, connections, connectTimeoutMs, answerTimeoutMs, sendTimeoutMs } = emailSettings(options);
  const url = urlOf(raw);
  const faults: SettingFault[] = [];
  if (url === null || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:') || url.hostname === '') faults.push({ setting: 'url', problem: 'expected smtp://user:password@host:port or smtps://…' });
  else {
    if ((url.username === '') !== (url.password === '')) faults.push({ setting: 'url', problem: 'expected user and password, or neither' });
    if (decoded(url.username) === null || decoded(url.password) === null) faults.push({ setting: 'url', problem: 'expected user and password with special characters as %XX' });
    if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '') faults.push({ setting: 'url', problem: 'expected nothing after host and port' });
  }
  if (!SENDER.test(from)) faults.push({ setting: 'from', problem: 'expected an address such as grid@example.com or Smart Energy Grid <grid@example.com>' });
  if (!Number.isInteger(connections) || connections < 1 || connections > 50) faults.push({ setting: 'connections', problem: 'expected a whole number from 1 to 50' });
  return [...faults, ...timeFaults({ connectTimeoutMs, answerTimeoutMs, sendTimeoutMs })];
}

/** Throws `invalid_settings`. */
export function emailChannel(options: EmailOptions, modules: { clock: Clock; timers: Timers }): Channel {
  refuseFaults('email', emailFaults(options));
  return new EmailChannel(emailSettings(options), modules);
}

class EmailChannel implements Channel {
  readonly name = 'email';
  /** Some mailboxes show a Message-ID once, most do not. */
  readonly repeats = 'blind';
  private readonly settings: EmailSettings;
  private readonly clock: Clock;
  private readonly timers: Timers;
  private readonly from: { name: string; address: string };
  private readonly pool: SMTPPool;
  private readonly texts: OutcomeText;

  constructor(settings: EmailSettings, { clock, timers }: { clock: Clock; timers: Timers }) {
    this.settings = settings;
    this.clock = clock;
    this.timers = timers;
    const [, name = '', named, bare] = SENDER.exec(settings.from) ?? [];
    this.from = { name: name.trim(), address: named ?? bare };
    const url = new URL(settings.url);
    const [user, pass] = [decoded(url.username) ?? '', decoded(url.password) ?? ''];
    this.pool = new SMTPPool(poolOptions(settings, url, user, pass));
    // What a connection without a message says of its end is of no consequence.
    this.pool.on('error', () => {});
    this.texts = new OutcomeText([pass, `\0${user}\0${pass}`]);
  }

  unreachable({ email }: OutgoingMessage['addresses']): string | null {
    return email === null ? 'there is no e-mail address' : null;
  }

  async send(message: OutgoingMessage): Promise<SendOutcome> {
    const to = message.addresses.email;
    if (to === null) return { kind: 'rejected', code: 'no_address', text: 'There is no e-mail address.' };
    const messageId = `<${messageIdOf(message.deliveryId, this.domain)}>`;
    const bytes = await this.bytesOf(message, to, messageId).catch((error: Error) => error);
    if (bytes instanceof Error) return { kind: 'rejected', code: 'bad_message', text: this.texts.clean(`No e-mail can be made of it: ${bytes.message}.`) };
    const source = new MessageSource(bytes);
    const controller = new AbortController();
    const { sendTimeoutMs } = this.settings;
    const deadline = this.timers.after(sendTimeoutMs, () => controller.abort());
    const mail = {
      data: { signal: controller.signal },
      message: { getHeader: () => messageId, messageId: () => messageId, getEnvelope: () => ({ from: this.from.address, to: [to], size: bytes.length }), createReadStream: () => source },
    };
    return new Promise((resolve) => {
      this.pool.send(mail as unknown as Parameters<SMTPPool['send']>[0], (error, info) => {
        deadline.cancel();
        source.destroy();
        if (error === null) return resolve({ kind: 'accepted', providerId: this.texts.clean(info?.serverMessageId ?? messageId), text: this.texts.clean(`The mail server took it: ${info?.response ?? ''}`) });
        const fault = controller.signal.aborted ? { code: 'timeout', message: `no answer within ${sendTimeoutMs} ms` } : error;
        const outcome = smtpOutcome(fault, source.isWritten);
        resolve({ ...outcome, text: this.texts.clean(outcome.text) });
      });
    });
  }

  async close(): Promise<void> {
    this.pool.close({ force: true });
  }

  private get domain(): string {
    return this.from.address.slice(this.from.address.lastIndexOf('@') + 1);
  }

  private bytesOf(message: OutgoingMessage, to: string, messageId: string): Promise<Buffer> {
    const { subject, text, html, pictures, unsubscribeLink, collapseKey, severity } = message;
    const composer = new MailComposer({
      from: this.from,
      to: { name: '', address: to },
      // Not the beginning of an encoded word (RFC 2047), which a reader would decode, line ends and all.
      subject: subject.replaceAll('=?', '= ?'),
      text,
      ...(html === null ? {} : { html }),
      attachments: pictures.map(({ cid, png, text: alt }) => ({ cid, content: Buffer.from(png), contentType: 'image/png', contentDisposition: 'inline' as const, filename: `${cid.replace(/[^A-Za-z0-9]+/g, '-')}.png`, headers: { 'Content-Description': alt } })),
      messageId,
      // Mail programs show what is about the same alerts as one conversation.
      references: `<${messageIdOf(collapseKey, this.domain)}>`,
      date: new Date(this.clock.now()),
      headers: { 'Auto-Submitted': 'auto-generated', ...(severity === 'CRITICAL' ? { Importance: 'high', 'X-Priority': '1 (Highest)' } : {}), ...unsubscription(unsubscribeLink) },
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    return composer.compile().build();
  }
}

/** RFC 8058 wants https for one click. */
function unsubscription(link: string | null): Record<string, string> {
  if (link === null) return {};
  return { 'List-Unsubscribe': `<${link}>`, ...(link.startsWith('https://') ? { 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' } : {}) };
}

function poolOptions(settings: EmailSettings, url: URL, user: string, pass: string): ConstructorParameters<typeof SMTPPool>[0] {
  const secure = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const startTls = settings.startTls ?? (/^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host) ? 'offered' : 'required');
  return {
    host,
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: !secure && startTls === 'required',
    ignoreTLS: !secure && startTls === 'never',
    ...(user === '' ? {} : { auth: { user, pass } }),
    tls: { minVersion: 'TLSv1.2', ...(isIP(host) === 0 ? { servername: host } : {}), ...(settings.ca === null ? {} : { ca: [...rootCertificates, settings.ca] }) },
    maxConnections: settings.connections,
    maxMessages: MESSAGES_PER_CONNECTION,
    // A message that may have gone is for whoever keeps the deliveries to decide about.
    maxRequeues: 0,
    idleTimeout: IDLE_MS_MAX,
    dnsTimeout: settings.connectTimeoutMs,
    connectionTimeout: settings.connectTimeoutMs,
    greetingTimeout: settings.connectTimeoutMs,
    socketTimeout: settings.answerTimeoutMs,
    maxResponseSize: REPLY_BYTES_MAX,
    disableFileAccess: true,
    disableUrlAccess: true,
    // It would write what passes over the connection.
    logger: false,
    debug: false,
  };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** A message on its way into a connection. */
class MessageSource extends Readable {
  /** All of it was read: the dot that ends it may have been written. */
  isWritten = false;
  private readonly bytes: Buffer;
  private position = 0;

  constructor(bytes: Buffer) {
    super({ highWaterMark: SLICE_BYTES });
    this.bytes = bytes;
    this.once('end', () => {
      this.isWritten = true;
    });
  }

  override _read(): void {
    if (this.position >= this.bytes.length) {
      this.push(null);
      return;
    }
    this.push(this.bytes.subarray(this.position, this.position + SLICE_BYTES));
    this.position += SLICE_BYTES;
  }
}
