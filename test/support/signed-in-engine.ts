import { apiClient, type ApiReply } from './api-client.ts';
import { EngineProcess, type Settings } from './engine-process.ts';
import type { SeedHeaders } from './seeded-engine.ts';

/** A real engine with accounts, and people in it who have chosen their passwords; hashes at their full cost are those of accounts-engine.test.ts. */

const PASSWORD = 'three green kettles';
/** More than any suite sends in a minute. */
const REQUESTS_PER_MINUTE = '10000000';

export interface SignedIn {
  id: string;
  token: string;
  refreshToken: string;
}

export class SignedInEngine {
  readonly engine: EngineProcess;
  admin!: SignedIn;
  /** A device key for everything. */
  deviceKey!: string;

  private constructor(engine: EngineProcess) {
    this.engine = engine;
  }

  static async start(settings: Settings = {}): Promise<SignedInEngine> {
    const engine = await EngineProcess.start({ settings: { AUTH: 'on', SHARDS: '1', RATE_LIMIT_ACCOUNT: REQUESTS_PER_MINUTE, ...settings }, quickPasswordHashes: true });
    const signedIn = new SignedInEngine(engine);
    const oneTimePassword = /password {2}(\S+)/.exec(engine.stderr)![1];
    signedIn.admin = await signedIn.choosePassword('admin@localhost', oneTimePassword);
    signedIn.deviceKey = (await signedIn.made('POST', '/api/v1/device-keys', { name: 'everything', scope: 'all' })).key as string;
    return signedIn;
  }

  /** Of an admin, for what is made before a suite begins. */
  get headers(): SeedHeaders {
    return { api: bearer(this.admin.token), ingest: bearer(this.deviceKey) };
  }

  call(method: string, path: string, { token, body, headers = {} }: { token?: string; body?: unknown; headers?: Record<string, string> } = {}): Promise<ApiReply> {
    return apiClient(() => this.engine.ports.http)(method, path, { headers: { ...(token === undefined ? {} : bearer(token)), ...headers }, body });
  }

  /** As the admin, and it has to succeed. */
  async made(method: string, path: string, body?: unknown): Promise<any> {
    const { status, body: answered } = await this.call(method, path, { token: this.admin.token, body });
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(answered)}`);
    return answered;
  }

  async addUser(email: string, given: { role: 'consumer' | 'operator' | 'admin'; name?: string; meters?: string[]; regions?: string[] | 'all' }): Promise<SignedIn> {
    const { oneTimePassword } = await this.made('POST', '/api/v1/users', { email, name: email, ...given });
    return this.choosePassword(email, oneTimePassword as string);
  }

  async logIn(email: string, headers: Record<string, string> = {}): Promise<SignedIn> {
    return signedInOf(await this.call('POST', '/api/v1/auth/login', { body: { email, password: PASSWORD }, headers }));
  }

  private async choosePassword(email: string, oneTimePassword: string): Promise<SignedIn> {
    return signedInOf(await this.call('POST', '/api/v1/auth/password', { body: { email, password: oneTimePassword, newPassword: PASSWORD } }));
  }
}

export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}

function signedInOf({ status, body }: ApiReply): SignedIn {
  if (status !== 200) throw new Error(`logging in was answered with ${status}: ${JSON.stringify(body)}`);
  return { id: body.user.id, token: body.accessToken, refreshToken: body.refreshToken };
}
