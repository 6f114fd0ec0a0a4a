import type { Clock } from '../../runtime/clock.ts';
import { VOUCHED_MS, type Word } from './accounts-state.ts';
import type { ExternalSignIn, SignInEnd } from './external-sign-in.ts';
import type { BegunSignIn, SignInAnswer, SignInFault } from './protocol.ts';

/**
 * By what another issuer can be asked again about a log-in: the refresh tokens that it gave. They are in memory alone, so no disk and no backup has what opens somebody's account elsewhere; what a restart forgets is asked no more,
 * and the log-in ends when its hour is over.
 */

/** Some kilobytes each. Past it those that were asked longest ago go. */
const GRANTS_MAX = 20_000;
/** What it said is believed for so long: renewals of several tabs are one question. */
const BELIEVED_MS = 60_000;

interface Grant {
  refreshToken: string;
  /** Of the clock that never jumps. */
  askedAt: number;
}

export class IssuerGrants {
  private readonly issuer: ExternalSignIn;
  private readonly clock: Pick<Clock, 'monotonic'>;
  /** By log-in; asked longest ago first. */
  private readonly grants = new Map<string, Grant>();
  /** A refresh token of an issuer may count once, too. */
  private readonly asking = new Map<string, Promise<Word>>();

  constructor(issuer: ExternalSignIn, { clock }: { clock: Pick<Clock, 'monotonic'> }) {
    this.issuer = issuer;
    this.clock = clock;
  }

  begin(redirectUri: string, from: string): Promise<BegunSignIn | { fault: SignInFault }> {
    return this.issuer.begin(redirectUri, from);
  }

  finish(flow: string | null, answer: SignInAnswer): Promise<SignInEnd> {
    return this.issuer.finish(flow, answer);
  }

  /** Of a log-in that begins, or was vouched for again; null: there is nothing to ask with. */
  keep(sessionId: string, refreshToken: string | null): void {
    this.grants.delete(sessionId);
    if (refreshToken === null) return;
    this.grants.set(sessionId, { refreshToken, askedAt: this.clock.monotonic() });
    this.forgetOld();
  }

  drop(sessionId: string): void {
    this.grants.delete(sessionId);
  }

  /** What the issuer says of a log-in of `subject` now. */
  ask(sessionId: string, subject: string): Promise<Word> {
    const grant = this.grants.get(sessionId);
    if (grant === undefined) return Promise.resolve(null);
    if (this.clock.monotonic() - grant.askedAt < BELIEVED_MS) return Promise.resolve(null);
    const asked = this.asking.get(sessionId) ?? this.askNow(sessionId, subject, grant).finally(() => this.asking.delete(sessionId));
    this.asking.set(sessionId, asked);
    return asked;
  }

  private async askNow(sessionId: string, subject: string, { refreshToken }: Grant): Promise<Word> {
    const renewal = await this.issuer.renew(refreshToken, subject);
    if (renewal.kind === 'away') return null;
    // Whoever has logged out meanwhile is not in again.
    if (renewal.kind === 'vouched' && this.grants.has(sessionId)) this.keep(sessionId, renewal.refreshToken);
    if (renewal.kind === 'ended') this.drop(sessionId);
    return renewal;
  }

  private forgetOld(): void {
    for (const [sessionId, { askedAt }] of this.grants) {
      if (this.grants.size <= GRANTS_MAX && this.clock.monotonic() - askedAt < VOUCHED_MS) return;
      this.grants.delete(sessionId);
    }
  }
}
