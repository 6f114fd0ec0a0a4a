import * as oauth from 'oauth4webapi';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { ExternalPerson } from './accounts-state.ts';
import { boundedFetch } from './bounded-fetch.ts';
import type { ExternalSignIn, Renewal, SignInEnd } from './external-sign-in.ts';
import { ASK_TIMEOUT_MS, ISSUER_AWAY, SKEW_S, type IssuerDocument, type OidcIssuer } from './oidc-issuer.ts';
import type { BegunSignIn, SignInAnswer, SignInFault } from './protocol.ts';
import type { RandomBytes } from './secrets.ts';
import { FLOW_MS, SignInFlows, type SignInFlow } from './sign-in-flow.ts';

/** Signing in at an OpenID Connect issuer by a browser: authorization code with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 9700). The engine fetches and keeps the issuer's tokens; the page sees none of them. */

/** Questions to its token endpoint under way. Each takes five seconds at most; past it people are told to try again. */
const ASKED_AT_ONCE_MAX = 64;
/** Errors of an authorization answer by which the issuer says that it, or the person, does not want to. */
const REFUSED: ReadonlySet<string> = new Set(['access_denied', 'login_required', 'interaction_required', 'consent_required', 'account_selection_required']);
const FAILED: ReadonlySet<string> = new Set(['temporarily_unavailable', 'server_error']);
/** It knows no such client, or lets it do no such thing: by `error` of either answer. */
const CLIENT_REFUSED: ReadonlySet<string> = new Set(['invalid_client', 'unauthorized_client', 'invalid_request', 'invalid_scope', 'unsupported_response_type', 'unsupported_grant_type']);

export interface OidcSignInOptions {
  clientId: string;
  /** null: a public client, which PKCE alone holds. */
  clientSecret: string | null;
  /** With blanks between; `openid` among them. */
  scopes: string;
}

export interface OidcSignInModules {
  issuer: OidcIssuer;
  clock: Clock;
  log: Log;
  random: RandomBytes;
}

export class OidcSignIn implements ExternalSignIn {
  private readonly options: OidcSignInOptions;
  private readonly modules: OidcSignInModules;
  private readonly flows: SignInFlows;
  private asking = 0;

  constructor(options: OidcSignInOptions, modules: OidcSignInModules) {
    this.options = options;
    this.modules = modules;
    this.flows = new SignInFlows(modules);
  }

  async begin(redirectUri: string, from: string): Promise<BegunSignIn | { fault: SignInFault }> {
    try {
      const flow: SignInFlow = { state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce(), verifier: oauth.generateRandomCodeVerifier(), redirectUri, from };
      const location = authorizationEndpoint(await this.modules.issuer.document());
      const parameters = {
        response_type: 'code',
        client_id: this.options.clientId,
        redirect_uri: redirectUri,
        scope: this.options.scopes,
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
      };
      for (const [name, value] of Object.entries(parameters)) location.searchParams.set(name, value);
      return { location: location.href, flow: await this.flows.seal(flow), lifeMs: FLOW_MS };
    } catch (error) {
      return { fault: this.faultOf(error) };
    }
  }

  async finish(sealed: string | null, answer: SignInAnswer): Promise<SignInEnd> {
    const flow = sealed === null ? null : await this.flows.open(sealed);
    if (flow === null || answer.state !== flow.state) return { from: flow?.from ?? '', fault: 'state_lost' };
    try {
      const tokens = await this.ask((server, client) => this.exchanged(server, client, flow, answer));
      const person = await this.personOf(tokens);
      return { from: flow.from, ...(person === null ? { fault: 'not_proven' as const } : { voucher: { person, refreshToken: tokens.refresh_token ?? null } }) };
    } catch (error) {
      return { from: flow.from, fault: this.faultOf(error) };
    }
  }

  async renew(refreshToken: string, subject: string): Promise<Renewal> {
    try {
      const tokens = await this.ask(async (server, client) => {
        const answer = await oauth.refreshTokenGrantRequest(server, client, this.authentication(server), refreshToken, this.request());
        return oauth.processRefreshTokenResponse(server, client, answer);
      });
      const person = tokens.id_token === undefined ? null : await this.personOf(tokens);
      // Without an ID token it says that they are still in, and nothing new (OpenID Connect Core 1.0, 12.2).
      if (tokens.id_token !== undefined && person?.subject !== subject) return { kind: 'ended' };
      return { kind: 'vouched', person, refreshToken: tokens.refresh_token ?? refreshToken };
    } catch (error) {
      return { kind: this.faultOf(error) === 'issuer_away' ? 'away' : 'ended' };
    }
  }

  private async exchanged(server: oauth.AuthorizationServer, client: oauth.Client, flow: SignInFlow, answer: SignInAnswer): Promise<oauth.TokenEndpointResponse> {
    const given = Object.entries(answer).filter((entry): entry is [string, string] => entry[1] !== undefined);
    // Holds `iss` as well (RFC 9207), against answers of another issuer.
    const parameters = oauth.validateAuthResponse(server, client, new URLSearchParams(given), flow.state);
    const tokens = await oauth.authorizationCodeGrantRequest(server, client, this.authentication(server), parameters, flow.redirectUri, flow.verifier, this.request());
    return oauth.processAuthorizationCodeResponse(server, client, tokens, { expectedNonce: flow.nonce, requireIdToken: true });
  }

  private async ask(question: (server: oauth.AuthorizationServer, client: oauth.Client) => Promise<oauth.TokenEndpointResponse>): Promise<oauth.TokenEndpointResponse> {
    if (this.asking >= ASKED_AT_ONCE_MAX) throw new Error(`${ASKED_AT_ONCE_MAX} questions to it are under way`);
    this.asking++;
    try {
      const skewS = Math.round((this.modules.clock.now() - Date.now()) / 1_000);
      const client = { client_id: this.options.clientId, [oauth.clockSkew]: skewS, [oauth.clockTolerance]: SKEW_S };
      return await question((await this.modules.issuer.document()) as oauth.AuthorizationServer, client);
    } finally {
      this.asking--;
    }
  }

  /** Who it is says the ID token, what they may do the access token where that is one for this engine, as when a program brings it. Their signatures are looked at, too. null: it is not proven. */
  private async personOf({ id_token: idToken = '', access_token: accessToken }: oauth.TokenEndpointResponse): Promise<ExternalPerson | null> {
    const { issuer } = this.modules;
    const identity = await issuer.verifyFor(this.options.clientId, idToken);
    const access = issuer.claims(accessToken) ? await issuer.verify(accessToken) : null;
    if (identity === ISSUER_AWAY || access === ISSUER_AWAY) throw new Error('its keys cannot be asked for');
    if ('code' in identity) return null;
    return access !== null && !('code' in access) && access.person.subject === identity.person.subject ? { ...access.person, name: identity.person.name, email: identity.person.email } : identity.person;
  }

  /** Basic unless the issuer takes no other than one in the body. */
  private authentication({ token_endpoint_auth_methods_supported: methods }: oauth.AuthorizationServer): oauth.ClientAuth {
    const { clientSecret } = this.options;
    if (clientSecret === null) return oauth.None();
    const isInBody = Array.isArray(methods) && !methods.includes('client_secret_basic') && methods.includes('client_secret_post');
    return isInBody ? oauth.ClientSecretPost(clientSecret) : oauth.ClientSecretBasic(clientSecret);
  }

  private request(): oauth.TokenEndpointRequestOptions {
    // Where the issuer is reached by http it is on this machine; else its endpoints have to be reached by https, too.
    return { [oauth.allowInsecureRequests]: this.modules.issuer.isInsecure, [oauth.customFetch]: boundedFetch, signal: AbortSignal.timeout(ASK_TIMEOUT_MS) };
  }

  /** Of errors their words alone go into the log: what they carry has tokens in it. */
  private faultOf(error: unknown): SignInFault {
    const fault = faultOf(error);
    const said = error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError ? `${error.error}: ${error.error_description ?? ''}` : error instanceof Error ? error.message : String(error);
    this.modules.log.warn({ fault, reason: said }, 'the issuer does not vouch for somebody');
    return fault;
  }
}

function faultOf(error: unknown): SignInFault {
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    if (REFUSED.has(error.error)) return 'refused';
    if (FAILED.has(error.error)) return 'issuer_away';
    return CLIENT_REFUSED.has(error.error) ? 'client_refused' : 'not_proven';
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) return 'client_refused';
  if (error instanceof oauth.UnsupportedOperationError) return 'not_proven';
  // What it answered is not what it has to be, or is not right; of a failure of its own it is away.
  if (error instanceof oauth.OperationProcessingError) return error.code === oauth.RESPONSE_IS_NOT_CONFORM ? 'issuer_away' : 'not_proven';
  return 'issuer_away';
}

/** A browser is sent there. */
function authorizationEndpoint({ issuer, authorization_endpoint: address }: IssuerDocument): URL {
  const url = typeof address === 'string' && URL.canParse(address) ? new URL(address) : null;
  if (url === null || (url.protocol !== 'https:' && (url.protocol !== 'http:' || issuer.startsWith('https:')))) throw new Error('its configuration names no page to sign in at that is reached by https');
  return url;
}
