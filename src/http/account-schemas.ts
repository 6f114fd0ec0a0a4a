import { z } from 'zod';
import { ROLES } from '../model/access.ts';

/** Answers about accounts, for the document of the API. */

const time = z.iso.datetime();
const timeOrNull = time.nullable();
const page = <Row extends z.ZodType>(row: Row) => z.object({ data: z.array(row), nextCursor: z.string().nullable() });
const regions = z.union([z.literal('all'), z.array(z.string())]);

const assignment = z.strictObject({ meterId: z.string(), from: timeOrNull.describe('Null: always.'), until: timeOrNull.describe('The first moment that is not theirs; null: no end is known.') });
const person = { id: z.string(), email: z.string().nullable(), name: z.string(), role: z.enum(ROLES), meters: z.array(z.string()).describe('Those of a consumer that are theirs now.'), assignments: z.array(assignment).describe('All meters of a consumer, with the times in which they are theirs.'), regions, issuer: z.string().nullable(), createdAt: time, version: z.int() };
const preferences = z.object({ locale: z.enum(['de', 'en']).nullable(), zone: z.string().nullable(), theme: z.enum(['light', 'dark']).nullable() });
export const profileSchema = z.object({ ...person, preferences });
export const userSchema = z.object({ ...person, disabled: z.boolean(), lastLoginAt: timeOrNull });
export const usersSchema = page(userSchema);
/** With a password to be used once, which is shown this once. */
export const newUserSchema = z.object({ user: userSchema, oneTimePassword: z.string() });

export const logInSchema = z.object({ accessToken: z.string(), tokenType: z.literal('Bearer'), accessExpiresAt: time, refreshToken: z.string().nullable(), refreshExpiresAt: time, user: profileSchema });
export const sessionsSchema = page(z.object({ id: z.string(), createdAt: time, lastUsedAt: time, expiresAt: time, address: z.string(), userAgent: z.string(), current: z.boolean() }));
export const ticketSchema = z.object({ ticket: z.string(), expiresAt: time });
export const accountSettingsSchema = z.object({ accounts: z.enum(['on', 'off']), registration: z.boolean(), mail: z.boolean(), passwords: z.boolean(), oidc: z.object({ issuer: z.string(), audience: z.string(), signIn: z.boolean().describe('Whether a browser that is sent to /api/v1/auth/oidc/start comes back signed in.') }).nullable() });
/** A JSON Web Key Set of Ed25519 keys (RFC 7517, RFC 8037). */
export const signingKeysSchema = z.object({ keys: z.array(z.looseObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() })) });

const scope = z.union([z.literal('all'), z.object({ meters: z.array(z.string()) }), z.object({ regions: z.array(z.string()) })]);
export const deviceKeySchema = z.object({ id: z.string(), name: z.string(), scope, createdAt: time, createdBy: z.string(), expiresAt: timeOrNull, revokedAt: timeOrNull, lastUsedAt: timeOrNull });
export const deviceKeysSchema = page(deviceKeySchema);
export const newDeviceKeySchema = z.object({ deviceKey: deviceKeySchema, key: z.string() });

export const auditLogSchema = page(z.object({ seq: z.int(), at: time, by: z.string(), byName: z.string(), action: z.string(), target: z.string(), status: z.int(), requestId: z.string(), address: z.string(), hash: z.string() }));
export const assignmentsSchema = z.object({ data: z.array(z.object({ meterId: z.string(), user: z.string(), outcome: z.enum(['assigned', 'removed', 'unchanged', 'unknown_user', 'not_a_consumer', 'too_many_meters']) })) });
