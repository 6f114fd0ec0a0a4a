import { EncryptJWT, jwtDecrypt } from 'jose';
import type { Clock } from '../../runtime/clock.ts';
import type { RandomBytes } from './secrets.ts';

/**
 * What has to be remembered from when somebody is sent to another issuer until they come back. The browser keeps it, encrypted and for the engine alone: so whoever begins a thousand of these and ends none takes no room here, and
 * nobody goes on with what another browser began. The key is in memory: a restart has people begin again.
 */

/** Time for a password, a second factor and a consent. */
export const FLOW_MS = 10 * 60_000;
const KEY_BYTES = 32;
const ENCRYPTION = 'A256GCM';

export interface SignInFlow {
  /** Has to come back with who is sent. */
  state: string;
  /** Has to stand in the ID token. */
  nonce: string;
  /** Of PKCE (RFC 7636). */
  verifier: string;
  /** As it was named when it began. */
  redirectUri: string;
  /** Fragment of the page's address, where the person was. */
  from: string;
}

export class SignInFlows {
  private readonly clock: Clock;
  private readonly key: Uint8Array;

  constructor({ clock, random }: { clock: Clock; random: RandomBytes }) {
    this.clock = clock;
    this.key = random(KEY_BYTES);
  }

  seal(flow: SignInFlow): Promise<string> {
    return new EncryptJWT({ ...flow })
      .setProtectedHeader({ alg: 'dir', enc: ENCRYPTION })
      .setExpirationTime(Math.floor((this.clock.now() + FLOW_MS) / 1_000))
      .encrypt(this.key);
  }

  /** null: of another engine or another life of it, too old, or none. */
  async open(sealed: string): Promise<SignInFlow | null> {
    try {
      const { payload } = await jwtDecrypt(sealed, this.key, { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: [ENCRYPTION], requiredClaims: ['exp'], currentDate: new Date(this.clock.now()) });
      // Nobody else has the key, so it is as it was sealed.
      return payload as unknown as SignInFlow;
    } catch {
      return null;
    }
  }
}
