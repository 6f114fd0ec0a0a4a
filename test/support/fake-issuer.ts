import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

/** An OpenID Connect issuer of the tests' own, over HTTP on this machine: discovery, keys, a page to sign in at that asks for one click, and tokens. What it says, and where it fails, a test puts in. */

export const CLIENT = { id: 'grid', secret: 'a secret: of ours' };
export const AUDIENCE = 'seg';

interface Code {
  challenge: string;
  nonce: string;
  redirectUri: string;
}

export class FakeIssuer {
  /** As it stands in its tokens. */
  url = '';
  /** Of who signs in, in both tokens. */
  claims: Record<string, unknown> = {};
  /** In the place of those of the ID token; undefined takes one out. */
  idClaims: Record<string, unknown> = {};
  /** In the place of members of the token endpoint's answer. */
  tokenAnswer: Record<string, unknown> = {};
  /** In the place of members of the configuration. */
  configuration: Record<string, unknown> = {};
  /** Answers in the place of the token endpoint. */
  instead: ((response: ServerResponse) => void) | null = null;
  isDown = false;
  /** Signs tokens in the place of its key. */
  signer: CryptoKey | null = null;
  /** Epoch seconds. */
  now: () => number = () => Math.floor(Date.now() / 1_000);
  /** Paths, in order. */
  readonly asked: string[] = [];
  /** Forms that the token endpoint was sent, in order, with the Authorization that came with each. */
  readonly forms: { form: URLSearchParams; authorization: string }[] = [];
  private readonly server: Server;
  private readonly codes = new Map<string, Code>();
  private readonly refreshTokens = new Set<string>();
  private key!: CryptoKey;
  private jwk!: JWK;
  private made = 0;

  private constructor() {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  static async start(): Promise<FakeIssuer> {
    const issuer = new FakeIssuer();
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    issuer.key = privateKey;
    issuer.jwk = { ...(await exportJWK(publicKey)), kid: 'ec', alg: 'ES256', use: 'sig' };
    issuer.server.listen(0, '127.0.0.1');
    await once(issuer.server, 'listening');
    issuer.url = `http://127.0.0.1:${(issuer.server.address() as AddressInfo).port}/realm`;
    issuer.reset();
    return issuer;
  }

  /** As it began, for the next test. */
  reset(): void {
    this.claims = { sub: 'ada', name: 'Ada', email: 'ada@example.org', email_verified: true };
    [this.idClaims, this.tokenAnswer, this.configuration] = [{}, {}, {}];
    [this.instead, this.signer, this.isDown] = [null, null, false];
    this.asked.length = 0;
    this.forms.length = 0;
  }

  /** What a browser that was sent to `location` is sent back with, by somebody who signs in at once: the address. */
  signIn(location: string): string {
    const { searchParams: asked } = new URL(location);
    const code = `code-${++this.made}`;
    this.codes.set(code, { challenge: asked.get('code_challenge')!, nonce: asked.get('nonce')!, redirectUri: asked.get('redirect_uri')! });
    return this.back(location, { code });
  }

  /** The same with other parameters beside `state` and `iss`. */
  back(location: string, parameters: Record<string, string>): string {
    const { searchParams: asked } = new URL(location);
    const address = new URL(asked.get('redirect_uri')!);
    for (const [name, value] of Object.entries({ state: asked.get('state')!, iss: this.url, session_state: 'what an issuer says beside it', ...parameters })) address.searchParams.set(name, value);
    return address.href;
  }

  /** Nobody gets a token by one that it gave before. */
  endAll(): void {
    this.refreshTokens.clear();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url!, this.url);
    this.asked.push(pathname);
    const json = (status: number, document: object) => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    if (this.isDown) return void response.writeHead(503).end();
    if (pathname === '/realm/.well-known/openid-configuration') {
      return json(200, { issuer: this.url, authorization_endpoint: `${this.url}/authorize?tenant=1`, token_endpoint: `${this.url}/token`, jwks_uri: `${this.url}/keys`, id_token_signing_alg_values_supported: ['ES256'], authorization_response_iss_parameter_supported: true, ...this.configuration });
    }
    if (pathname === '/realm/keys') return json(200, { keys: [this.jwk] });
    if (pathname === '/realm/authorize') {
      const here = `${new URL(this.url).origin}${request.url!}`;
      const link = (address: string, words: string) => `<p><a href="${address.replaceAll('&', '&amp;')}">${words}</a></p>`;
      return void response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><link rel="icon" href="data:,"><title>Issuer</title>${link(this.signIn(here), 'I am Ada')}${link(this.back(here, { error: 'access_denied' }), 'Nobody')}`);
    }
    if (pathname !== '/realm/token') return void response.writeHead(404).end();
    if (this.instead !== null) return this.instead(response);
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const form = new URLSearchParams(text);
    this.forms.push({ form, authorization: request.headers.authorization ?? '' });
    const code = this.codes.get(form.get('code') ?? '');
    if (form.get('grant_type') === 'authorization_code') {
      this.codes.delete(form.get('code') ?? '');
      const isRight = code !== undefined && code.redirectUri === form.get('redirect_uri') && code.challenge === createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
      return isRight ? json(200, await this.tokens(code.nonce)) : json(400, { error: 'invalid_grant', error_description: 'It is spent, or another’s.' });
    }
    // Counts once.
    return this.refreshTokens.delete(form.get('refresh_token') ?? '') ? json(200, await this.tokens(undefined)) : json(400, { error: 'invalid_grant' });
  }

  private async tokens(nonce: string | undefined): Promise<object> {
    const refreshToken = `refresh-${++this.made}`;
    this.refreshTokens.add(refreshToken);
    return {
      access_token: await this.token({ ...this.claims, aud: AUDIENCE }),
      token_type: 'Bearer',
      refresh_token: refreshToken,
      id_token: await this.token({ ...this.claims, aud: CLIENT.id, nonce, ...this.idClaims }),
      ...this.tokenAnswer,
    };
  }

  private token(claims: Record<string, unknown>): Promise<string> {
    return new SignJWT({ iss: this.url, iat: this.now(), exp: this.now() + 300, ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'ec' }).sign(this.signer ?? this.key);
  }
}
