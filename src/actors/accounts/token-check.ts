import type { Principal } from '../../model/access.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { NO_TOKEN, type AccessClaims, type AccessTokens } from './access-tokens.ts';
import type { ExternalPerson } from './accounts-state.ts';
import type { PrincipalCache } from './principal-cache.ts';
import type { TokenFault, User } from './protocol.ts';
import { sha256 } from './secrets.ts';

/** Who comes with a token, and what they may do now. */

/** Tokens whose signature was seen to be right: some 200 bytes each. */
const TOKENS_MAX = 50_000;

/** Another issuer of tokens. */
export interface ForeignTokens {
  /** Whether the token says that it is from there. */
  claims(token: string): boolean;
  /** Never rejects. */
  verify(token: string): Promise<{ person: ExternalPerson; expiresAt: number } | TokenFault>;
}

export interface TokenCheckModules {
  clock: Clock;
  log: Log;
  tokens: AccessTokens;
  principals: PrincipalCache;
  /** null: there is no other issuer. */
  foreign: ForeignTokens | null;
  /** The account of somebody whom another issuer vouches for, made with the first token. */
  meet(person: ExternalPerson): Promise<User>;
}

export class TokenCheck {
  private readonly modules: TokenCheckModules;
  /** By hash. Of foreign tokens `sessionId` is null. */
  private readonly knownTokens = new Map<string, { userId: string; sessionId: string | null; expiresAt: number }>();

  constructor(modules: TokenCheckModules) {
    this.modules = modules;
  }

  /** Whose token it is: at once where it was seen before. Neither throws nor rejects. */
  authenticate(token: string): Principal | TokenFault | Promise<Principal | TokenFault> {
    const hash = sha256(token);
    const known = this.knownTokens.get(hash);
    if (known !== undefined && known.expiresAt > this.modules.clock.now()) return this.principalOf(known.userId, known.sessionId);
    this.knownTokens.delete(hash);
    return this.authenticateAnew(token, hash);
  }

  /** A token that was signed here a moment ago: its signature needs no look. */
  remember(token: string, claims: AccessClaims): void {
    this.rememberToken(sha256(token), claims);
  }

  /** What somebody may do now; a fault: nothing. */
  principalOf(userId: string, sessionId: string | null): Principal | TokenFault {
    return this.looked(() => this.modules.principals.of(userId, sessionId));
  }

  /** What somebody may do now, whichever log-in they come with. */
  accountOf(userId: string): Principal | TokenFault {
    return this.looked(() => this.modules.principals.ofAccount(userId));
  }

  private async authenticateAnew(token: string, hash: string): Promise<Principal | TokenFault> {
    try {
      const { foreign, tokens } = this.modules;
      const claims = foreign !== null && foreign.claims(token) ? await this.meet(foreign, token) : await tokens.verify(token);
      if ('code' in claims) return claims;
      const principal = this.principalOf(claims.userId, claims.sessionId);
      if (!('code' in principal)) this.rememberToken(hash, claims);
      return principal;
    } catch (error) {
      this.modules.log.warn({ err: error }, 'a token could not be looked at');
      return NO_TOKEN;
    }
  }

  private async meet(foreign: ForeignTokens, token: string): Promise<(Omit<AccessClaims, 'sessionId'> & { sessionId: null }) | TokenFault> {
    const verified = await foreign.verify(token);
    if ('code' in verified) return verified;
    const user = await this.modules.meet(verified.person);
    return { userId: user.id, sessionId: null, expiresAt: verified.expiresAt };
  }

  private rememberToken(hash: string, { userId, sessionId, expiresAt }: { userId: string; sessionId: string | null; expiresAt: number }): void {
    this.knownTokens.set(hash, { userId, sessionId, expiresAt });
    if (this.knownTokens.size > TOKENS_MAX) this.knownTokens.delete(this.knownTokens.keys().next().value!);
  }

  private looked(look: () => Principal | TokenFault): Principal | TokenFault {
    try {
      return look();
    } catch (error) {
      this.modules.log.error({ err: error }, 'an account cannot be read');
      return NO_TOKEN;
    }
  }
}
