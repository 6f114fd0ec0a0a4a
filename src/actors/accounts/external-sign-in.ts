import type { ExternalPerson } from './accounts-state.ts';
import type { BegunSignIn, SignInAnswer, SignInFault } from './protocol.ts';

/** Another issuer, at which people sign in with a browser. Nothing of it rejects. */

/** What it says of somebody. */
export interface Voucher {
  person: ExternalPerson;
  /** By which it can be asked again; null: it cannot. */
  refreshToken: string | null;
}

/** Of somebody who came back from there, with where they were. */
export type SignInEnd = { from: string } & ({ voucher: Voucher } | { fault: SignInFault });

/** What it says when it is asked again. `person` null: nothing new. */
export type Renewal = { kind: 'vouched'; person: ExternalPerson | null; refreshToken: string } | { kind: 'ended' } | { kind: 'away' };

export interface ExternalSignIn {
  /** `redirectUri`: where people are sent back to; `from` comes back with them. */
  begin(redirectUri: string, from: string): Promise<BegunSignIn | { fault: SignInFault }>;
  /** `flow`: as `begin` gave it; null: the browser has none. */
  finish(flow: string | null, answer: SignInAnswer): Promise<SignInEnd>;
  /** Of `subject`, by the refresh token that came last. */
  renew(refreshToken: string, subject: string): Promise<Renewal>;
}
