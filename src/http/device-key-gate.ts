import type { HttpRequest } from 'uWebSockets.js';
import type { DeviceKeyFault, DeviceKeyTable, KnownKey } from '../actors/ingest/device-key-table.ts';
import type { Exchange, HeaderFields } from './exchange.ts';
import type { Problem } from './problem-details.ts';

/**
 * Lets those in who send readings with a device key. It comes as `Authorization: Bearer segk_…` and in no other way: that is the field which proxies, logs and clients know to hide, and one
 * place is one place to look.
 */
export class DeviceKeyGate {
  private readonly keys: DeviceKeyTable;

  constructor(keys: DeviceKeyTable) {
    this.keys = keys;
  }

  /** The key of a request; null: none that counts, and that is answered. */
  admit(exchange: Exchange, head: HttpRequest): KnownKey | null {
    const token = BEARER.exec(head.getHeader('authorization'))?.[1];
    const found = token === undefined ? NO_KEY : token.startsWith(KEY_PREFIX) ? this.keys.use(token) : NOT_A_KEY;
    if (typeof found === 'object' && 'row' in found) return found;
    refuse(exchange, found);
    return null;
  }

  /** Whether the key of a request that was admitted counts still, as a body may take its time; if not, that is answered. */
  stillCounts(exchange: Exchange, key: KnownKey): boolean {
    const fault = this.keys.faultOf(key);
    if (fault !== null) refuse(exchange, fault);
    return fault === null;
  }
}

const BEARER = /^Bearer +(\S+) *$/i;
const KEY_PREFIX = 'segk_';

interface Refusal {
  problem: Problem;
  headers: HeaderFields;
}

/** The sender's own text is in none of them. */
function unauthorized(code: string, detail: string, error?: 'invalid_token'): Refusal {
  return { problem: { status: 401, code, detail }, headers: [['www-authenticate', `Bearer realm="seg ingest"${error === undefined ? '' : `, error="${error}"`}`]] };
}

const NO_KEY = unauthorized('device_key_missing', 'Send a device key as "Authorization: Bearer segk_…"; an admin makes one with POST /api/v1/device-keys or seg key create.');
const NOT_A_KEY = unauthorized('not_a_device_key', 'Readings are sent with a device key, which begins with segk_. The access token of a person is not taken here.', 'invalid_token');
const REFUSAL_OF: Readonly<Record<DeviceKeyFault, Refusal>> = {
  unknown: unauthorized('unknown_device_key', 'There is no such device key, or it was revoked.', 'invalid_token'),
  expired: unauthorized('expired_device_key', 'The time of this device key is over.', 'invalid_token'),
  not_told: { problem: { status: 503, code: 'unavailable', detail: 'This part of the engine does not know the device keys yet. Send the request again.', retryAfterSeconds: 1 }, headers: [] },
};

function refuse(exchange: Exchange, why: DeviceKeyFault | Refusal): void {
  const { problem, headers } = typeof why === 'string' ? REFUSAL_OF[why] : why;
  exchange.problem(problem, headers);
}
