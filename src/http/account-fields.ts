import { z } from 'zod';
import { DEVICE_SCOPE_IDS_MAX } from '../actors/accounts/device-key-book.ts';
import { PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN } from '../actors/accounts/password-rules.ts';
import type { Changer, DeviceScope, Peer } from '../actors/accounts/protocol.ts';
import { METERS_PER_USER_MAX, REGIONS_PER_USER_MAX } from '../actors/accounts/user-book.ts';
import { isZone } from '../actors/people/local-time.ts';
import { ROLES } from '../model/access.ts';
import type { HeldSpan } from '../model/held-time.ts';
import { ID_PATTERN, type MeterId, type RegionId } from '../model/ids.ts';
import { FAULT_LINE, NOT_BLANK, ONE_LINE } from '../model/plain-text.ts';
import { timeField } from './body-fields.ts';
import type { RouteRequest } from './gateway-routes.ts';

/** Fields of bodies about accounts, and who sends them. */

/** In ASCII: what looks like another's address must not be an account of its own. */
const EMAIL = /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;
/** RFC 5321. */
const EMAIL_CHARS_MAX = 254;
const NAME_CHARS_MAX = 128;
/** Long enough for any of the engine's. */
const TOKEN_CHARS_MAX = 512;

export const emailField = z.string().trim().max(EMAIL_CHARS_MAX, `expected ${EMAIL_CHARS_MAX} characters at most`).regex(EMAIL, 'expected an e-mail address such as ada@example.org');
export const passwordField = z.string().min(1, 'expected a password').max(PASSWORD_CHARS_MAX, `expected ${PASSWORD_CHARS_MAX} characters at most`);
/** One that is too short, or that everybody has, is refused by who keeps them (password-rules.ts); what of it a schema can say stands in the API's document. */
export const newPasswordField = passwordField.meta({ minLength: PASSWORD_CHARS_MIN });
export const tokenField = z.string().min(1, 'expected a token').max(TOKEN_CHARS_MAX, 'longer than any token');
/** Shown on pages and in mails. */
export const nameField = z.string().trim().max(NAME_CHARS_MAX, `expected ${NAME_CHARS_MAX} characters at most`).regex(NOT_BLANK, 'expected a name').regex(ONE_LINE, FAULT_LINE);
export const roleField = z.enum(ROLES, `expected one of ${ROLES.join(', ')}`);
const FAULT_ID = 'expected 1–64 characters of A–Z a–z 0–9 . _ : -';
export const meterField = z.string().regex(ID_PATTERN, FAULT_ID).transform((text) => text as MeterId);
const regionField = z.string().regex(ID_PATTERN, FAULT_ID).transform((text) => text as RegionId);
/** When a meter is somebody's; without them always. */
export const heldFields = { from: timeField.nullable().default(null), until: timeField.nullable().default(null) };
export const isHeldSpan = ({ from, until }: HeldSpan): boolean => from === null || until === null || from < until;
export const FAULT_UNTIL = { path: ['until'], message: 'expected a time after "from": the first that is not theirs' };
const heldMeter = z.union([meterField.transform((meterId) => ({ meterId, from: null, until: null })), z.strictObject({ meterId: meterField, ...heldFields }).refine(isHeldSpan, FAULT_UNTIL)]);
export const metersField = z.array(heldMeter).max(METERS_PER_USER_MAX, `expected ${METERS_PER_USER_MAX} meters at most`);
const regionList = z.array(regionField).max(REGIONS_PER_USER_MAX, `expected ${REGIONS_PER_USER_MAX} regions at most`);
export const regionsField = z.union([z.literal('all'), regionList]);

export const scopeField: z.ZodType<DeviceScope> = z.union([
  z.literal('all'),
  z.strictObject({ meters: z.array(meterField).min(1, 'expected one meter at least').max(DEVICE_SCOPE_IDS_MAX, `expected ${DEVICE_SCOPE_IDS_MAX} meters at most`) }),
  z.strictObject({ regions: z.array(regionField).min(1, 'expected one region at least').max(DEVICE_SCOPE_IDS_MAX, `expected ${DEVICE_SCOPE_IDS_MAX} regions at most`) }),
]);

export const preferencesField = z.strictObject({
  locale: z.enum(['de', 'en'], 'expected de or en').nullable(),
  zone: z.string().max(64).refine(isZone, 'expected a time zone such as Europe/Berlin').nullable(),
  theme: z.enum(['light', 'dark'], 'expected light or dark').nullable(),
});

/** What an operation has to name for `peerOf` to know it. */
export const PEER_HEADERS = ['user-agent'] as const;

export function peerOf({ address, requestId, headers }: Pick<RouteRequest<object>, 'address' | 'requestId' | 'headers'>): Peer {
  return { address, requestId, userAgent: headers['user-agent'] ?? '' };
}

export function changerOf(request: Pick<RouteRequest<object>, 'address' | 'requestId' | 'headers' | 'principal'>): Changer {
  return { ...peerOf(request), id: request.principal.id, name: request.principal.name };
}
