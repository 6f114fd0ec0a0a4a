import { randomBytes } from 'node:crypto';
import { ContractServer, type ContractReply, type ContractRequest, type Failure } from './contract-server.ts';

export const TWILIO_ACCOUNT = `AC${'0123456789abcdef'.repeat(2)}`;
export const TWILIO_TOKEN = 'f00dfeedf00dfeedf00dfeedf00dfeed';
export const TWILIO_NUMBER = '+15005550006';
export const TWILIO_SERVICE = `MG${'fedcba9876543210'.repeat(2)}`;

/** A message as twilio.com/docs/messaging/api/message-resource shows it. */
interface Message {
  sid: string;
  to: string;
  from: string | null;
  messaging_service_sid: string | null;
  body: string;
  status: string;
  date_created: string;
  /** RFC 2822; null until it left Twilio. */
  date_sent: string | null;
}

/** Twilio's Message resource: create and list, with the errors of twilio.com/docs/api/errors. */
export class TwilioServer {
  readonly messages: (Message & { sentAt: number | null })[] = [];
  /** Numbers that answered STOP, and that are landlines. */
  readonly stopped = new Set<string>();
  readonly landlines = new Set<string>();
  /** What the server adds in front of a text, as it does for trial accounts. */
  prefix = '';
  private readonly server: ContractServer;

  private constructor(server: ContractServer) {
    this.server = server;
  }

  static async start(options: { tls?: boolean } = {}): Promise<TwilioServer> {
    let twilio: TwilioServer | null = null;
    const server = await ContractServer.start((request) => (twilio as TwilioServer).answer(request), options);
    twilio = new TwilioServer(server);
    return twilio;
  }

  get url(): string {
    return this.server.url;
  }

  /** Requests whose answer never came to its end. */
  get silences(): number {
    return this.server.silences;
  }

  get requests(): ContractRequest[] {
    return this.server.requests;
  }

  fail(failure: Failure): void {
    this.server.fail(failure);
  }

  /** An error in Twilio's form. */
  static error(status: number, code: number, message: string, headers: Record<string, string> = {}): { kind: 'reply' } & ContractReply {
    return { kind: 'reply', status, headers, body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status } };
  }

  /** Puts a message into the list that did not come over this server; null: it waits in the queue. */
  put(to: string, body: string, sentAt: number | null, status = 'delivered'): string {
    return this.keep({ to, body, from: TWILIO_NUMBER, service: null }, sentAt, status).sid;
  }

  close(): Promise<void> {
    return this.server.close();
  }

  private answer(request: ContractRequest): ContractReply {
    const credentials = Buffer.from(`${TWILIO_ACCOUNT}:${TWILIO_TOKEN}`).toString('base64');
    if (request.headers.authorization !== `Basic ${credentials}`) return TwilioServer.error(401, 20003, 'Authenticate');
    if (request.path !== `/2010-04-01/Accounts/${TWILIO_ACCOUNT}/Messages.json`) return TwilioServer.error(404, 20404, `The requested resource ${request.path} was not found`);
    return request.method === 'POST' ? this.create(new URLSearchParams(request.body)) : this.list(request);
  }

  private create(form: URLSearchParams): ContractReply {
    const [to, from, service, body] = ['To', 'From', 'MessagingServiceSid', 'Body'].map((name) => form.get(name));
    if (to === null) return TwilioServer.error(400, 21604, "A 'To' phone number is required.");
    if (from === null && service === null) return TwilioServer.error(400, 21603, "A 'From' phone number is required.");
    if (body === null || body === '') return TwilioServer.error(400, 21602, 'Message body is required.');
    if (body.length > 1_600) return TwilioServer.error(400, 21617, 'The concatenated message body exceeds the 1600 character limit.');
    if (from !== null && from !== TWILIO_NUMBER) return TwilioServer.error(400, 21659, `'${from}' is not a Twilio phone number`);
    if (service !== null && service !== TWILIO_SERVICE) return TwilioServer.error(400, 21705, 'The Messaging Service Sid is invalid.');
    if (!/^\+[1-9]\d{6,14}$/.test(to)) return TwilioServer.error(400, 21211, `Invalid 'To' Phone Number: ${to}`);
    if (this.landlines.has(to)) return TwilioServer.error(400, 21614, `'To' number is not a valid mobile number: ${to}`);
    if (this.stopped.has(to)) return TwilioServer.error(400, 21610, 'Attempt to send to unsubscribed recipient');
    const message = this.keep({ to, body: this.prefix + body, from, service }, null, service === null ? 'queued' : 'accepted');
    return { status: 201, body: shown(message) };
  }

  private keep({ to, body, from, service }: { to: string; body: string; from: string | null; service: string | null }, sentAt: number | null, status: string): TwilioServer['messages'][number] {
    const message = { sid: `SM${randomBytes(16).toString('hex')}`, to, from, messaging_service_sid: service, body, status, date_created: new Date().toUTCString(), date_sent: null, sentAt };
    this.messages.push(message);
    return message;
  }

  /** By day in GMT; what has not left has no date to be found by. Newest first. */
  private list({ query, path }: ContractRequest): ContractReply {
    const [to, on, from, until] = ['To', 'DateSent', 'DateSent>', 'DateSent<'].map((name) => query.get(name));
    const day = (at: number | null): string => (at === null ? '' : new Date(at).toISOString().slice(0, 10));
    const found = this.messages
      .filter((message) => to === null || message.to === to)
      .filter(({ sentAt }) => (on === null && from === null && until === null) || (sentAt !== null && (on === null || day(sentAt) === on) && (from === null || day(sentAt) >= from) && (until === null || day(sentAt) <= until)))
      .sort((a, b) => (b.sentAt ?? Infinity) - (a.sentAt ?? Infinity));
    const size = Math.min(Number(query.get('PageSize') ?? 50), 1_000);
    const page = Number(query.get('Page') ?? 0);
    const next = new URLSearchParams(query);
    next.set('Page', String(page + 1));
    next.set('PageToken', `PASM${page}`);
    const messages = found.slice(page * size, (page + 1) * size).map(shown);
    return { status: 200, body: { messages, page, page_size: size, uri: `${path}?${query}`, next_page_uri: (page + 1) * size < found.length ? `${path}?${next}` : null } };
  }
}

function shown({ sentAt, ...message }: TwilioServer['messages'][number]): object {
  return { ...message, date_sent: sentAt === null ? null : new Date(sentAt).toUTCString(), account_sid: TWILIO_ACCOUNT, api_version: '2010-04-01', direction: 'outbound-api', error_code: null, error_message: null, num_media: '0', num_segments: '1', price: null };
}
