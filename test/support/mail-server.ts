import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { simpleParser, type ParsedMail } from 'mailparser';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { LOCAL_CERTIFICATE, LOCAL_KEY } from './contract-server.ts';

export const MAIL_USER = 'grid@example.com';
export const MAIL_PASSWORD = 'p@ss w0rd/é';

/** What the server does at a step instead of going on. `drop` cuts the connection, `hang` says nothing any more. */
export type MailFailure = { code: number; text: string } | 'drop' | 'hang';

export interface MailServerOptions {
  tls?: 'none' | 'starttls' | 'implicit';
  /** User and password are asked for. */
  login?: boolean;
  sizeMax?: number;
}

interface Mail {
  from: string;
  to: string[];
  isSecure: boolean;
  user: string | null;
  parsed: ParsedMail;
}

/** A mail server of the package smtp-server, on a port of its own, that fails where it is told to. */
export class MailServer {
  readonly mails: Mail[] = [];
  /** The next one to come by meets them, each once. */
  readonly failures: { connect: MailFailure[]; auth: MailFailure[]; from: MailFailure[]; to: MailFailure[]; /** While the message comes in. */ during: MailFailure[]; /** When all of it is there. */ end: MailFailure[]; /** All of it is kept, and then this. */ kept: MailFailure[] } = { connect: [], auth: [], from: [], to: [], during: [], end: [], kept: [] };
  connectionsEver = 0;
  /** Connections on which it says nothing any more. */
  silences = 0;
  private readonly server: SMTPServer;
  private readonly sockets = new Set<Socket>();

  private constructor({ tls = 'none', login = false, sizeMax }: MailServerOptions) {
    const options: SMTPServerOptions = {
      secure: tls === 'implicit',
      key: LOCAL_KEY,
      cert: LOCAL_CERTIFICATE,
      authOptional: !login,
      disabledCommands: [...(tls === 'none' ? ['STARTTLS' as const] : []), ...(login ? [] : ['AUTH' as const])],
      allowInsecureAuth: false,
      size: sizeMax,
      disableReverseLookup: true,
      closeTimeout: 20,
      logger: false,
      onConnect: (_session, done) => {
        this.connectionsEver += 1;
        this.step('connect', done);
      },
      onAuth: ({ username, password }, _session, done) => {
        const isRight = username === MAIL_USER && password === MAIL_PASSWORD;
        // Some servers repeat what they were told.
        this.step('auth', (error) => (error != null ? done(error) : isRight ? done(null, { user: username }) : done(refusal(535, `5.7.8 ${username} with ${password} is nobody`))));
      },
      onMailFrom: (_address, _session, done) => this.step('from', done),
      onRcptTo: (_address, _session, done) => this.step('to', done),
      onData: (stream, session, done) => {
        const during = this.failures.during.shift();
        if (during === 'hang') stream.pause();
        if (during !== undefined) return this.fail(during);
        void simpleParser(stream).then(
          (parsed) => {
            const { envelope, secure, user } = session;
            if (this.failures.end.length === 0) this.mails.push({ from: envelope.mailFrom === false ? '' : envelope.mailFrom.address, to: envelope.rcptTo.map(({ address }) => address), isSecure: secure, user: user === undefined ? null : String(user), parsed });
            this.step(this.failures.end.length > 0 ? 'end' : 'kept', done as (error?: Error | null) => void);
          },
          // The sender went in the middle of it: there is no message.
          () => {},
        );
      },
    };
    this.server = new SMTPServer(options);
    this.server.on('error', () => {});
    this.server.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(options: MailServerOptions = {}): Promise<MailServer> {
    const server = new MailServer(options);
    server.server.listen(0, '127.0.0.1');
    await once(server.server.server, 'listening');
    return server;
  }

  get port(): number {
    return (this.server.server.address() as AddressInfo).port;
  }

  get openConnections(): number {
    return this.sockets.size;
  }

  /** Every connection breaks; only of a server without TLS: Node does not survive that a socket below TLS is destroyed under it. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => void this.server.close(() => resolve()));
  }

  private step(name: keyof MailServer['failures'], done: (error?: Error | null) => void): void {
    const failure = this.failures[name].shift();
    if (failure === undefined) return done();
    if (failure === 'drop' || failure === 'hang') return this.fail(failure);
    done(refusal(failure.code, failure.text));
  }

  private fail(failure: MailFailure): void {
    if (failure === 'hang') this.silences++;
    else this.cut();
  }
}

function refusal(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code });
}
