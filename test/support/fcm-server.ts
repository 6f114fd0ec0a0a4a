import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createLocalJWKSet, exportJWK, jwtVerify } from 'jose';
import { ContractServer, type ContractReply, type ContractRequest, type Failure } from './contract-server.ts';

const PROJECT = 'grid-test-1';
const EMAIL = `alerts@${PROJECT}.iam.gserviceaccount.com`;
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
/** Google allows for some minutes between its clock and an assertion's. */
const SKEW_S_MAX = 300;

export type DeviceState = 'registered' | 'unregistered' | 'otherSender' | 'withoutApnsKey';

/** FCM HTTP v1 and the token endpoint of Google's OAuth2, with the errors of firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode. */
export class FcmServer {
  /** Messages that were taken. */
  readonly messages: Record<string, unknown>[] = [];
  readonly devices = new Map<string, DeviceState>();
  /** The server's clock against this machine's. */
  skewMs = 0;
  tokenLifeS = 3_599;
  isAccountRevoked = false;
  private readonly tokens = new Set<string>();
  private readonly server: ContractServer;

  private constructor(server: ContractServer) {
    this.server = server;
  }

  static async start(options: { tls?: boolean } = {}): Promise<FcmServer> {
    let fcm: FcmServer | null = null;
    const server = await ContractServer.start((request) => (fcm as FcmServer).answer(request), options);
    fcm = new FcmServer(server);
    return fcm;
  }

  get url(): string {
    return this.server.url;
  }

  get tokenUrl(): string {
    return `${this.server.url}/token`;
  }

  get tokenRequests(): ContractRequest[] {
    return this.server.requests.filter(({ path }) => path === '/token');
  }

  /** Requests whose answer never came to its end. */
  get silences(): number {
    return this.server.silences;
  }

  get sendRequests(): ContractRequest[] {
    return this.server.requests.filter(({ path }) => path !== '/token');
  }

  /** The key file of the account. */
  serviceAccount(): Record<string, string> {
    return {
      type: 'service_account',
      project_id: PROJECT,
      private_key_id: 'key-1',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      client_email: EMAIL,
      token_uri: this.tokenUrl,
    };
  }

  /** An error in the form of google.rpc.Status, with FCM's own code where there is one. */
  static error(status: number, label: string, message: string, options: { fcm?: string; badRequest?: boolean; headers?: Record<string, string> } = {}): { kind: 'reply' } & ContractReply {
    const details = [
      ...(options.fcm === undefined ? [] : [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: options.fcm }]),
      ...(options.badRequest === true ? [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field: 'message.data[0].value', description: message }] }] : []),
    ];
    return { kind: 'reply', status, headers: options.headers, body: { error: { code: status, message, status: label, ...(details.length === 0 ? {} : { details }) } } };
  }

  failSend(failure: Failure): void {
    this.server.fail(failure, 'messages:send');
  }

  failToken(failure: Failure): void {
    this.server.fail(failure, '/token');
  }

  /** All access tokens given so far are taken back. */
  revokeTokens(): void {
    this.tokens.clear();
  }

  close(): Promise<void> {
    return this.server.close();
  }

  private async answer(request: ContractRequest): Promise<ContractReply> {
    const reply = request.path === '/token' ? await this.grant(new URLSearchParams(request.body)) : this.take(request);
    return { ...reply, headers: { date: new Date(Date.now() + this.skewMs).toUTCString(), ...reply.headers } };
  }

  private async grant(form: URLSearchParams): Promise<ContractReply> {
    const refuse = (error: string, description: string): ContractReply => ({ status: 400, body: { error, error_description: description } });
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') return refuse('unsupported_grant_type', 'Invalid grant_type');
    if (this.isAccountRevoked) return refuse('invalid_grant', 'Invalid grant: account not found');
    const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'RS256' }] });
    const now = Math.floor((Date.now() + this.skewMs) / 1_000);
    try {
      const { payload } = await jwtVerify(form.get('assertion') ?? '', keys, { audience: this.tokenUrl, issuer: EMAIL, currentDate: new Date(now * 1_000), clockTolerance: SKEW_S_MAX });
      const { iat = 0, exp = 0, scope } = payload;
      if (Math.abs(iat - now) > SKEW_S_MAX || exp - iat > 3_600) throw new Error('time');
      if (scope !== SCOPE) return refuse('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
    } catch {
      return refuse('invalid_grant', 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.');
    }
    const token = `ya29.${randomBytes(24).toString('base64url')}`;
    this.tokens.add(token);
    return { status: 200, body: { access_token: token, expires_in: this.tokenLifeS, token_type: 'Bearer' } };
  }

  private take({ path, headers, body }: ContractRequest): ContractReply {
    if (!this.tokens.has((headers.authorization ?? '').replace(/^Bearer /, ''))) return FcmServer.error(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials. Expected OAuth 2 access token.');
    if (path !== `/v1/projects/${PROJECT}/messages:send`) return FcmServer.error(404, 'NOT_FOUND', 'Requested entity was not found.');
    const { message } = JSON.parse(body) as { message: Record<string, unknown> };
    const { token, ...payload } = message;
    const fault = messageFault(payload);
    if (fault !== null) return FcmServer.error(400, 'INVALID_ARGUMENT', fault, { badRequest: true, fcm: 'INVALID_ARGUMENT' });
    switch (this.devices.get(String(token))) {
      case 'registered':
        this.messages.push(message);
        return { status: 200, body: { name: `projects/${PROJECT}/messages/0:${randomBytes(8).toString('hex')}` } };
      case 'unregistered':
        return FcmServer.error(404, 'NOT_FOUND', 'Requested entity was not found.', { fcm: 'UNREGISTERED' });
      case 'otherSender':
        return FcmServer.error(403, 'PERMISSION_DENIED', 'SenderId mismatch', { fcm: 'SENDER_ID_MISMATCH' });
      case 'withoutApnsKey':
        return FcmServer.error(401, 'UNAUTHENTICATED', 'Auth error from APNS or Web Push Service', { fcm: 'THIRD_PARTY_AUTH_ERROR' });
      case undefined:
        return FcmServer.error(400, 'INVALID_ARGUMENT', 'The registration token is not a valid FCM registration token', { fcm: 'INVALID_ARGUMENT' });
    }
  }
}

/** What the reference of the Message resource forbids. */
function messageFault(message: Record<string, unknown>): string | null {
  const unknown = Object.keys(message).find((field) => !['name', 'data', 'notification', 'android', 'webpush', 'apns', 'fcm_options'].includes(field));
  if (unknown !== undefined) return `Invalid JSON payload received. Unknown name "${unknown}" at 'message': Cannot find field.`;
  const data = Object.entries((message.data ?? {}) as Record<string, unknown>);
  if (data.some(([, value]) => typeof value !== 'string')) return "Invalid value at 'message.data[0].value' (TYPE_STRING)";
  if (data.some(([key]) => /^(from|gcm.*|google.*|message_type)$/.test(key))) return 'Invalid data payload key';
  if (Buffer.byteLength(JSON.stringify({ data: message.data, notification: message.notification })) > 4_096) return 'Message too big';
  const { android, apns, webpush } = message as { android?: { ttl?: string }; apns?: { headers?: Record<string, string> }; webpush?: { headers?: Record<string, string>; fcm_options?: { link?: string } } };
  if (android?.ttl !== undefined && !/^\d+(\.\d{1,9})?s$/.test(android.ttl)) return "Invalid value at 'message.android.ttl' (Duration)";
  if ((apns?.headers?.['apns-collapse-id'] ?? '').length > 64) return 'apns-collapse-id must not be longer than 64 bytes';
  if (webpush?.headers?.Topic !== undefined && !/^[A-Za-z0-9_-]{1,32}$/.test(webpush.headers.Topic)) return 'Topic must be at most 32 characters of base64url';
  if (webpush?.fcm_options?.link !== undefined && !webpush.fcm_options.link.startsWith('https://')) return 'webpush.fcm_options.link must be https';
  return null;
}
