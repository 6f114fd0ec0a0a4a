import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AUDIT_HEAD_TABLE, AUDIT_TABLE, verifyAuditLog } from '../../src/actors/accounts/audit-log.ts';
import { DOUBLED_MS } from '../../src/actors/accounts/session-book.ts';
import type { LogIn } from '../../src/actors/accounts/protocol.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { AccountsWorld, held, PASSWORD, PEER, refusal, ROOT } from '../support/accounts-world.ts';

/** Log-ins of a few people in any order of events, with crashes between and inside commits, against an oracle that remembers every token that was ever handed out. */

const PEOPLE = ['ada@example.org', 'bob@example.org'];
const ACCESS_MS = 10 * 60_000;

type Step =
  | { kind: 'logIn'; who: number }
  /** `which` counts from the newest token of a log-in. */
  | { kind: 'refresh'; session: number; which: number; twice: boolean }
  | { kind: 'logOut'; session: number; which: number }
  | { kind: 'disable'; who: number; isDisabled: boolean }
  | { kind: 'assign'; who: number; meter: number; isAssigned: boolean }
  | { kind: 'changePassword'; who: number }
  | { kind: 'wait'; ms: number }
  | { kind: 'crash' }
  /** The process dies while a token is being spent; the answer never comes. */
  | { kind: 'crashInRefresh'; session: number; underWay: 'lost' | 'kept' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('logIn' as const), who: fc.nat(1) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('refresh' as const), session: fc.nat(5), which: fc.constantFrom(0, 0, 0, 1, 1, 2, 3), twice: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('logOut' as const), session: fc.nat(5), which: fc.constantFrom(0, 1, 2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('disable' as const), who: fc.nat(1), isDisabled: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('assign' as const), who: fc.nat(1), meter: fc.nat(2), isAssigned: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('changePassword' as const), who: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, DOUBLED_MS - 1, DOUBLED_MS, DOUBLED_MS + 1, 60_000, ACCESS_MS, 3_600_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crashInRefresh' as const), session: fc.nat(5), underWay: fc.constantFrom('lost' as const, 'kept' as const) }) },
);

interface ExpectedSession {
  who: number;
  isOver: boolean;
  /** Tokens in the order they were handed out; each but the last was spent at its time. */
  refreshTokens: { token: string; spentAt: number | null }[];
  accessTokens: { token: string; endsAt: number }[];
}

class Run {
  readonly world: AccountsWorld;
  private readonly ids: string[] = [];
  private readonly disabled = [false, false];
  private readonly meters: Set<string>[] = [new Set(), new Set()];
  private readonly sessions: ExpectedSession[] = [];
  private passwords = [PASSWORD, PASSWORD];

  constructor(world: AccountsWorld) {
    this.world = world;
  }

  async begin(): Promise<void> {
    for (const email of PEOPLE) this.ids.push((await this.world.addUser(email)).id);
    // The log-in that choosing a password gives.
    for (const id of this.ids) await this.world.actor.ask({ kind: 'endSessions', userId: id, by: ROOT });
  }

  async take(one: Step): Promise<void> {
    const { world } = this;
    switch (one.kind) {
      case 'logIn': {
        // Guesses are made to wait; that is another test's.
        world.time.advance(3_600_001);
        const asked = world.logIn(PEOPLE[one.who], this.passwords[one.who]);
        if (this.disabled[one.who]) expect(await refusal(asked)).toBe('wrong_credentials');
        else this.opened(one.who, await asked);
        return;
      }
      case 'refresh':
        return this.refresh(one);
      case 'logOut': {
        const { session, token } = this.tokenOf(one.session, one.which);
        if (session === null || token === null) return;
        await world.actor.ask({ kind: 'logOut', refreshToken: token.token, sessionId: null, peer: PEER });
        if (this.isNewestOrBefore(session, token.token)) session.isOver = true;
        return;
      }
      case 'disable':
        await world.actor.ask({ kind: 'changeUser', id: this.ids[one.who], version: null, change: { isDisabled: one.isDisabled }, by: ROOT });
        this.disabled[one.who] = one.isDisabled;
        if (one.isDisabled) this.endAll(one.who);
        return;
      case 'assign': {
        const meterId = `m-${one.meter}`;
        const [{ outcome }] = await world.actor.ask({ kind: 'assignMeters', assignments: [{ ...held(meterId)[0], user: PEOPLE[one.who], isAssigned: one.isAssigned }], by: ROOT });
        expect(outcome).toBe(this.meters[one.who].has(meterId) === one.isAssigned ? 'unchanged' : one.isAssigned ? 'assigned' : 'removed');
        if (one.isAssigned) this.meters[one.who].add(meterId);
        else this.meters[one.who].delete(meterId);
        return;
      }
      case 'changePassword': {
        world.time.advance(3_600_001);
        const newPassword = this.passwords[one.who] === PASSWORD ? 'seven blue lanterns' : PASSWORD;
        const asked = world.actor.ask({ kind: 'changePassword', email: PEOPLE[one.who], password: this.passwords[one.who], newPassword, peer: PEER });
        if (this.disabled[one.who]) return void expect(await refusal(asked)).toBe('wrong_credentials');
        const answer = await asked;
        this.passwords[one.who] = newPassword;
        this.endAll(one.who);
        return this.opened(one.who, answer);
      }
      case 'wait':
        return void world.time.advance(one.ms);
      case 'crash':
        return world.restart();
      case 'crashInRefresh': {
        const { session, token } = this.tokenOf(one.session, 0);
        if (session === null || token === null) return;
        world.refresh(token.token).catch(() => {});
        // The turn has begun, and its commit has not ended.
        await Promise.resolve();
        await world.restart(one.underWay);
        // Whoever lost the answer asks again, and must not lose the log-in.
        return this.refresh({ kind: 'refresh', session: one.session, which: 0, twice: false });
      }
    }
  }

  /** Every token that was ever handed out is worth what it should be. */
  async check(): Promise<void> {
    const nowMs = this.world.time.now();
    for (const session of this.sessions) {
      for (const { token, endsAt } of session.accessTokens) {
        const expected = endsAt <= nowMs ? 'expired_token' : session.isOver ? 'revoked_token' : this.ids[session.who];
        const found = await this.world.actor.tokenCheck.authenticate(token);
        if ('code' in found) expect(found.code).toBe(expected);
        else expect([found.id, [...found.meters.keys()].sort()]).toEqual([expected, [...this.meters[session.who]].sort()]);
      }
    }
    for (const [who, id] of this.ids.entries()) {
      const open = this.sessions.filter((session) => session.who === who && !session.isOver);
      expect(await this.world.actor.ask({ kind: 'sessions', userId: id })).toHaveLength(open.length);
    }
    const { store } = this.world;
    verifyAuditLog(new RecordTable(store, AUDIT_TABLE), new RecordTable(store, AUDIT_HEAD_TABLE), (where, problem) => expect([where, problem]).toBeNull());
  }

  private async refresh({ session: at, which, twice }: Step & { kind: 'refresh' }): Promise<void> {
    const { session, token } = this.tokenOf(at, which);
    if (session === null || token === null) return;
    const nowMs = this.world.time.now();
    const asked = [this.world.refresh(token.token), ...(twice ? [this.world.refresh(token.token)] : [])].map((one) => one.catch(() => null));
    const answers = await Promise.all(asked);
    if (!this.counts(session, token.token, nowMs)) {
      expect(answers).toEqual(answers.map(() => null));
      // Who has a token of a log-in that was spent long ago ends it; a log-in that is over stays so.
      session.isOver = true;
      return;
    }
    const newest = session.refreshTokens.at(-1)!;
    if (newest.token === token.token) {
      newest.spentAt = nowMs;
      session.refreshTokens.push({ token: answers[0]!.refreshToken, spentAt: null });
    }
    for (const answer of answers) {
      expect(answer!.refreshToken).toBe(session.refreshTokens.at(-1)!.token);
      session.accessTokens.push({ token: answer!.accessToken, endsAt: answer!.accessExpiresAt });
    }
  }

  /** Whether a token may be used: the newest, or the one before within the seconds of a doubled request. */
  private counts(session: ExpectedSession, token: string, nowMs: number): boolean {
    if (session.isOver) return false;
    const { refreshTokens } = session;
    if (refreshTokens.at(-1)!.token === token) return true;
    const before = refreshTokens.at(-2);
    return before?.token === token && nowMs - before.spentAt! <= DOUBLED_MS;
  }

  private isNewestOrBefore({ refreshTokens }: ExpectedSession, token: string): boolean {
    return refreshTokens.slice(-2).some((one) => one.token === token);
  }

  private tokenOf(at: number, which: number): { session: ExpectedSession | null; token: { token: string } | null } {
    const session = this.sessions.at(-1 - (at % Math.max(1, this.sessions.length))) ?? null;
    return { session, token: session?.refreshTokens.at(-1 - which) ?? null };
  }

  private opened(who: number, { refreshToken, accessToken, accessExpiresAt }: LogIn): void {
    this.sessions.push({ who, isOver: false, refreshTokens: [{ token: refreshToken, spentAt: null }], accessTokens: [{ token: accessToken, endsAt: accessExpiresAt }] });
  }

  private endAll(who: number): void {
    for (const session of this.sessions) if (session.who === who) session.isOver = true;
  }
}

describe('log-ins', () => {
  it('are worth what everything that happened to them says, whatever crashed in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const run = new Run(await AccountsWorld.start());
        await run.begin();
        for (const one of steps) {
          await run.take(one);
          await run.check();
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
