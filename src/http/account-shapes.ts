import type { AuditRecord, DeviceKey, HeldMeter, LogIn, Session, User } from '../actors/accounts/protocol.ts';
import type { Principal } from '../model/access.ts';
import { spanAt } from '../model/held-time.ts';
import { isoTime, isoTimeOrNull } from './wire-shapes.ts';

/** Accounts as they go over the wire. */

export function userShape({ id, email, name, role, meters, regions, isDisabled, external, createdAt, lastLoginAt, version }: User, nowMs: number): object {
  return { id, email, name, role, ...metersShape(meters, nowMs), regions, disabled: isDisabled, issuer: external?.issuer ?? null, createdAt: isoTime(createdAt), lastLoginAt: isoTimeOrNull(lastLoginAt), version };
}

/** Those that are theirs now, by id, and all with the times in which they are. */
function metersShape(meters: readonly HeldMeter[], nowMs: number): object {
  const present = meters.filter(({ from, until }) => spanAt([{ from, until }], nowMs) !== null);
  return { meters: present.map(({ meterId }) => meterId), assignments: meters.map(({ meterId, from, until }) => ({ meterId, from: isoTimeOrNull(from), until: isoTimeOrNull(until) })) };
}

/** Of oneself. */
export function profileShape({ id, email, name, role, meters, regions, external, preferences, createdAt, version }: User, nowMs: number): object {
  return { id, email, name, role, ...metersShape(meters, nowMs), regions, issuer: external?.issuer ?? null, preferences, createdAt: isoTime(createdAt), version };
}

/** The refresh token is in the answer for programs, and in a cookie for pages. */
export function logInShape({ user, accessToken, accessExpiresAt, refreshToken, refreshExpiresAt }: LogIn, inCookie: boolean, nowMs: number): object {
  return {
    accessToken,
    tokenType: 'Bearer',
    accessExpiresAt: isoTime(accessExpiresAt),
    refreshToken: inCookie ? null : refreshToken,
    refreshExpiresAt: isoTime(refreshExpiresAt),
    user: profileShape(user, nowMs),
  };
}

export function sessionShape({ id, createdAt, lastUsedAt, expiresAt, address, userAgent }: Session, { sessionId }: Principal): object {
  return { id, createdAt: isoTime(createdAt), lastUsedAt: isoTime(lastUsedAt), expiresAt: isoTime(expiresAt), address, userAgent, current: id === sessionId };
}

export function deviceKeyShape({ id, name, scope, createdAt, createdBy, expiresAt, revokedAt, lastUsedAt }: DeviceKey): object {
  return { id, name, scope, createdAt: isoTime(createdAt), createdBy, expiresAt: isoTimeOrNull(expiresAt), revokedAt: isoTimeOrNull(revokedAt), lastUsedAt: isoTimeOrNull(lastUsedAt) };
}

export function auditShape({ seq, at, by, byName, action, target, status, requestId, address, hash }: AuditRecord): object {
  return { seq, at: isoTime(at), by, byName, action, target, status, requestId, address, hash };
}
