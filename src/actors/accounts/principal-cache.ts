import type { Principal } from '../../model/access.ts';
import { withSpan, NEVER, type HeldTime } from '../../model/held-time.ts';
import type { MeterId } from '../../model/ids.ts';
import { RecordTable } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import type { Session, TokenFault, User } from './protocol.ts';
import { formalName } from './user-book.ts';

/** Who somebody is, by what is on disk; for some thousand of those who ask it is remembered until it changes. What of a meter is theirs is remembered with its times, and asked by the clock: nothing here grows old. */

/** Some kilobytes each, of who has many meters more. */
const USERS_MAX = 10_000;

export const REVOKED_TOKEN: TokenFault = { code: 'revoked_token', detail: 'The log-in that this token is of has ended. Log in again.' };

export class PrincipalCache {
  private readonly users: RecordTable<User>;
  private readonly sessions: RecordTable<Session>;
  /** By user, then by session ('': none). The user who was longest not asked for is the first. */
  private readonly known = new Map<string, Map<string, Principal>>();

  constructor(store: Store) {
    this.users = new RecordTable(store, 'users');
    this.sessions = new RecordTable(store, 'sessions');
  }

  /** `sessionId` null: of somebody another issuer vouches for. */
  of(userId: string, sessionId: string | null): Principal | TokenFault {
    const known = this.known.get(userId);
    const principal = known?.get(sessionId ?? '') ?? this.read(userId, sessionId);
    if (principal === null) return REVOKED_TOKEN;
    this.known.delete(userId);
    this.known.set(userId, (known ?? new Map<string, Principal>()).set(sessionId ?? '', principal));
    if (this.known.size > USERS_MAX) this.known.delete(this.known.keys().next().value!);
    return principal;
  }

  /** Whichever log-in they come with. */
  ofAccount(userId: string): Principal | TokenFault {
    const user = this.users.get(userId);
    return user === null || user.isDisabled ? REVOKED_TOKEN : principalOf(user, null);
  }

  /** Something of a user, or of their sessions, is not as it was. */
  forget(userId: string): void {
    this.known.delete(userId);
  }

  private read(userId: string, sessionId: string | null): Principal | null {
    const user = this.users.get(userId);
    if (user === null || user.isDisabled) return null;
    if (sessionId === null ? user.external === null : this.sessions.get(sessionId)?.userId !== userId) return null;
    return principalOf(user, sessionId);
  }
}

function principalOf(user: User, sessionId: string | null): Principal {
  const { id, role, meters, regions } = user;
  return { kind: 'user', id, name: formalName(user), role, meters: timesOf(meters), regions: regions === 'all' ? 'all' : new Set(regions), sessionId };
}

function timesOf(meters: User['meters']): Map<MeterId, HeldTime> {
  const times = new Map<MeterId, HeldTime>();
  for (const { meterId, from, until } of meters) times.set(meterId, withSpan(times.get(meterId) ?? NEVER, { from, until }));
  return times;
}
