import { describe, expect, it } from 'vitest';
import type { Principal } from '../../src/model/access.ts';
import { ALWAYS } from '../../src/model/held-time.ts';
import { DOUBLED_MS } from '../../src/actors/accounts/session-book.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { AccountsWorld, held, PASSWORD, PEER, refusal, regions, ROOT } from '../support/accounts-world.ts';
import { settled } from '../support/settled.ts';

const MINUTE_MS = 60_000;

describe('logging in', () => {
  it('gives a token that says who it is, with their meters, until they log out', async () => {
    const world = await AccountsWorld.start();
    const ada = await world.addUser('Ada@Example.org', { meters: held('m-1', 'm-2') });
    const { accessToken, refreshToken, user } = await world.logIn('ADA@example.org ');
    expect(user.email).toBe('ada@example.org');
    // Known without a promise: it was signed here.
    const principal = world.actor.tokenCheck.authenticate(accessToken) as Principal;
    expect(principal).toMatchObject({ kind: 'user', id: ada.id, name: 'ada@example.org', role: 'consumer' });
    expect([...principal.meters]).toEqual([['m-1', ALWAYS], ['m-2', ALWAYS]]);
    expect([...(principal.regions as ReadonlySet<string>)]).toEqual([]);
    expect(world.actor.tokenCheck.authenticate(accessToken)).toBe(principal);
    await world.actor.ask({ kind: 'logOut', refreshToken, sessionId: null, peer: PEER });
    expect(world.actor.tokenCheck.authenticate(accessToken)).toMatchObject({ code: 'revoked_token' });
    expect(await refusal(world.refresh(refreshToken))).toBe('invalid_refresh_token');
  });

  it('says the same of a wrong password, an unknown address and a disabled account', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org');
    const fault = async (email: string, password: string) => world.logIn(email, password).then(() => null, ({ code, message }: { code: string; message: string }) => [code, message]);
    const wrong = await fault('ada@example.org', 'not her password');
    expect(wrong?.[0]).toBe('wrong_credentials');
    expect(await fault('bob@example.org', PASSWORD)).toEqual(wrong);
    await world.actor.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: true }, by: ROOT });
    expect(await fault('ada@example.org', PASSWORD)).toEqual(wrong);
  });

  it('ends with ten minutes, with the clock of the engine', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const { accessToken } = await world.logIn('ada@example.org');
    await world.whose(accessToken);
    world.time.advance(10 * MINUTE_MS - 1);
    expect(await world.whose(accessToken)).toMatch(/^usr_/);
    world.time.advance(1);
    expect(await world.whose(accessToken)).toBe('expired_token');
  });

  it('has whoever was given a password choose another before anything opens, within a week', async () => {
    const world = await AccountsWorld.start();
    const { oneTimePassword, user } = await world.actor.ask({ kind: 'makeUser', user: { email: 'ada@example.org', name: 'Ada', role: 'operator', meters: [], regions: regions('north') }, by: ROOT });
    expect(oneTimePassword).toMatch(/^([a-hj-km-np-z2-9]{5}-){3}[a-hj-km-np-z2-9]{5}$/);
    expect(await refusal(world.logIn('ada@example.org', oneTimePassword))).toBe('password_change_required');
    const change = (newPassword: string) => world.actor.ask({ kind: 'changePassword', email: 'ada@example.org', password: oneTimePassword, newPassword, peer: PEER });
    expect(await refusal(change('short'))).toBe('bad_password');
    expect(await refusal(change(oneTimePassword))).toBe('bad_password');
    const { accessToken } = await change(PASSWORD);
    expect(await world.whose(accessToken)).toBe(user.id);
    expect(await refusal(world.logIn('ada@example.org', oneTimePassword))).toBe('wrong_credentials');
    const again = await world.actor.ask({ kind: 'resetPassword', id: user.id, by: ROOT });
    expect(await world.whose(accessToken)).toBe('revoked_token');
    world.time.advance(7 * 86_400_000);
    expect(await refusal(world.logIn('ada@example.org', again.oneTimePassword))).toBe('wrong_credentials');
  });

  it('ends every log-in when the password changes, but the one that begins', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org');
    const before = await world.logIn('ada@example.org');
    const after = await world.actor.ask({ kind: 'changePassword', email: 'ada@example.org', password: PASSWORD, newPassword: 'seven blue lanterns', peer: PEER });
    expect([await world.whose(before.accessToken), await world.whose(after.accessToken)]).toEqual(['revoked_token', id]);
    expect(await refusal(world.refresh(before.refreshToken))).toBe('invalid_refresh_token');
    expect(await refusal(world.logIn('ada@example.org', PASSWORD))).toBe('wrong_credentials');
  });

  it('lets only one of two changes of a password through that began at once', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const change = (newPassword: string) => refusal(world.actor.ask({ kind: 'changePassword', email: 'ada@example.org', password: PASSWORD, newPassword, peer: PEER }));
    expect((await Promise.all([change('seven blue lanterns'), change('eight red lanterns')])).sort()).toEqual(['ok', 'wrong_credentials']);
  });

  it('opens nothing for a log-in whose password changed while it was looked at', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org');
    const loggingIn = refusal(world.logIn('ada@example.org'));
    const resetting = world.actor.ask({ kind: 'resetPassword', id, by: ROOT });
    const outcome = await loggingIn;
    await resetting;
    expect(['ok', 'wrong_credentials']).toContain(outcome);
    expect(await world.actor.ask({ kind: 'sessions', userId: id })).toEqual([]);
  });
});

describe('guessing passwords', () => {
  it('is made to wait, at one account from one address, and begins anew after the right one', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const guess = (password: string, address = PEER.address) => refusal(world.logIn('ada@example.org', password, { ...PEER, address }));
    for (let i = 0; i < 4; i++) expect(await guess('wrong')).toBe('wrong_credentials');
    expect(await guess(PASSWORD)).toBe('ok');
    for (let i = 0; i < 5; i++) expect(await guess('wrong')).toBe('wrong_credentials');
    expect(await guess(PASSWORD)).toBe('too_many_attempts');
    // Not she from elsewhere.
    expect(await guess(PASSWORD, '198.51.100.9')).toBe('ok');
    world.time.advance(1_000);
    expect(await guess('wrong')).toBe('wrong_credentials');
    world.time.advance(1_000);
    expect(await guess(PASSWORD)).toBe('too_many_attempts');
    world.time.advance(1_000);
    expect(await guess(PASSWORD)).toBe('ok');
  });

  it('counts guesses that are made at once', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => refusal(world.logIn('ada@example.org', 'wrong'))));
    expect(outcomes.filter((outcome) => outcome === 'wrong_credentials')).toHaveLength(5);
  });

  it('is counted in the same way where there is no account', async () => {
    const world = await AccountsWorld.start();
    const outcomes = [];
    for (let i = 0; i < 7; i++) outcomes.push(await refusal(world.logIn('nobody@example.org', 'wrong')));
    expect(outcomes.slice(4)).toEqual(['wrong_credentials', 'too_many_attempts', 'too_many_attempts']);
  });
});

describe('refresh tokens', () => {
  it('count once; one that comes a second time ends the log-in for all who have it, and is on record', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org');
    const first = await world.logIn('ada@example.org');
    const second = await world.refresh(first.refreshToken);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(await world.whose(second.accessToken)).toBe(id);
    world.time.advance(DOUBLED_MS + 1);
    expect(await refusal(world.refresh(first.refreshToken))).toBe('invalid_refresh_token');
    expect(await world.whose(second.accessToken)).toBe('revoked_token');
    expect(await refusal(world.refresh(second.refreshToken))).toBe('invalid_refresh_token');
    const { data } = await world.actor.ask({ kind: 'auditLog', query: { by: null, action: 'refresh_token_reused', from: 0, to: Infinity, limit: 10, cursor: null } });
    expect(data).toMatchObject([{ by: id, status: 401, address: PEER.address }]);
  });

  it('of one request that was doubled give the same next token, also after a crash', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const first = await world.logIn('ada@example.org');
    const second = await world.refresh(first.refreshToken);
    world.time.advance(DOUBLED_MS);
    expect((await world.refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
    await world.restart();
    expect((await world.refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
    expect(await refusal(world.refresh(second.refreshToken))).toBe('ok');
    // Two behind.
    expect(await refusal(world.refresh(first.refreshToken))).toBe('invalid_refresh_token');
  });

  it('that somebody made up end nothing', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const { refreshToken } = await world.logIn('ada@example.org');
    const bytes = Buffer.from(refreshToken.slice(5), 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const forged = Buffer.from(bytes);
      forged[at] ^= 1;
      expect(await refusal(world.refresh(`segr_${forged.toString('base64url')}`))).toBe('invalid_refresh_token');
    }
    for (const text of ['', 'segr_', refreshToken.slice(0, -1), `${refreshToken}A`, 'x'.repeat(100_000)]) expect(await refusal(world.refresh(text))).toBe('invalid_refresh_token');
    expect(await refusal(world.refresh(refreshToken))).toBe('ok');
  });

  it('that a backup does not know of yet end nothing', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const { refreshToken } = await world.logIn('ada@example.org');
    const backup = new MemoryStore();
    backup.take(world.store);
    const second = await world.refresh(refreshToken);
    const restored = await AccountsWorld.start({}, { store: backup, time: world.time });
    expect(await refusal(restored.refresh(second.refreshToken))).toBe('invalid_refresh_token');
    expect(await refusal(restored.refresh(refreshToken))).toBe('ok');
  });

  it('end after two weeks without use, and after ninety days whatever comes', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org');
    const idle = await world.logIn('ada@example.org');
    await world.later(14 * 86_400_000);
    expect(await refusal(world.refresh(idle.refreshToken))).toBe('invalid_refresh_token');
    let used = await world.logIn('ada@example.org');
    const begun = world.time.now();
    while (world.time.now() + 5 * 86_400_000 < begun + 90 * 86_400_000) {
      await world.later(5 * 86_400_000);
      used = await world.refresh(used.refreshToken);
    }
    await world.later(begun + 90 * 86_400_000 - world.time.now());
    expect(await refusal(world.refresh(used.refreshToken))).toBe('invalid_refresh_token');
    await world.time.advanceSettled(60_000);
    expect(await world.actor.ask({ kind: 'sessions', userId: id })).toEqual([]);
  });
});

describe('what somebody may do', () => {
  it('follows at once from what an admin says, and is told', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org', { meters: held('m-1') });
    const { accessToken } = await world.logIn('ada@example.org');
    await world.whose(accessToken);
    world.news.length = 0;
    await world.actor.ask({ kind: 'changeUser', id, version: null, change: { role: 'operator', regions: regions('north') }, by: ROOT });
    expect(world.news.flatMap(({ access }) => access)).toEqual([{ userId: id, sessionId: null }]);
    const principal = world.actor.tokenCheck.authenticate(accessToken) as Principal;
    expect([principal.role, [...principal.meters], [...(principal.regions as ReadonlySet<string>)]]).toEqual(['operator', [], ['north']]);
    await world.actor.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: true }, by: ROOT });
    expect(await world.whose(accessToken)).toBe('revoked_token');
    await world.actor.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: false }, by: ROOT });
    // Its log-ins have ended all the same.
    expect(await world.whose(accessToken)).toBe('revoked_token');
  });

  it('goes with the account', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org', { meters: held('m-1') });
    const { accessToken, refreshToken } = await world.logIn('ada@example.org');
    await world.actor.ask({ kind: 'removeUser', id, version: null, by: ROOT });
    expect([await world.whose(accessToken), await refusal(world.refresh(refreshToken)), await refusal(world.logIn('ada@example.org'))]).toEqual(['revoked_token', 'invalid_refresh_token', 'wrong_credentials']);
    // And nothing of it is left to who comes next.
    const next = await world.addUser('ada@example.org');
    expect(next.id).not.toBe(id);
    expect(next.meters).toEqual([]);
  });

  it('is refused where it makes no sense, or where nobody could come in any more', async () => {
    const world = await AccountsWorld.start();
    const admin = await world.addUser('root@example.org', { role: 'admin', regions: 'all' });
    const ada = await world.addUser('ada@example.org');
    const change = (id: string, change: object, version: number | null = null) => refusal(world.actor.ask({ kind: 'changeUser', id, version, change, by: ROOT }));
    expect(await change(ada.id, { regions: regions('north') })).toBe('bad_access');
    expect(await change(ada.id, { role: 'operator', meters: held('m-1') })).toBe('bad_access');
    expect(await change(ada.id, { name: 'Ada' }, 7)).toBe('stale_version');
    expect(await change('usr_nobody', { name: 'Ada' })).toBe('unknown_user');
    // The first admin is one as well.
    const { data } = await world.actor.ask({ kind: 'users', query: { role: 'admin', emailPrefix: 'admin@', meterId: null, limit: 10, cursor: null } });
    expect(await refusal(world.actor.ask({ kind: 'removeUser', id: data[0].id, version: null, by: ROOT }))).toBe('ok');
    expect(await change(admin.id, { isDisabled: true })).toBe('last_admin');
    expect(await change(admin.id, { role: 'operator' })).toBe('last_admin');
    expect(await refusal(world.actor.ask({ kind: 'removeUser', id: admin.id, version: null, by: ROOT }))).toBe('last_admin');
  });
});

describe('the first start', () => {
  it('makes one admin, and another password each time until it was used', async () => {
    const world = await AccountsWorld.start();
    await world.restart();
    expect(new Set(world.firstPasswords).size).toBe(2);
    const [old, password] = world.firstPasswords;
    expect(await refusal(world.logIn('admin@localhost', old))).toBe('wrong_credentials');
    expect(await refusal(world.logIn('admin@localhost', password))).toBe('password_change_required');
    const { user } = await world.actor.ask({ kind: 'changePassword', email: 'admin@localhost', password, newPassword: PASSWORD, peer: PEER });
    expect([user.role, user.regions]).toEqual(['admin', 'all']);
    await world.restart();
    expect(world.firstPasswords).toHaveLength(2);
  });

  it('makes none where another issuer vouches for everybody', async () => {
    const world = await AccountsWorld.start({ passwordLogIn: 'none' });
    expect(world.firstPasswords).toEqual([]);
    expect(await refusal(world.logIn('admin@localhost'))).toBe('password_login_off');
  });
});

describe('mails', () => {
  it('let somebody register who has the address, with a password that is given with the link', async () => {
    const world = await AccountsWorld.start();
    const register = (email: string) => refusal(world.actor.ask({ kind: 'register', email, name: 'Ada', peer: PEER }));
    const verify = (token: string, password: string) => refusal(world.actor.ask({ kind: 'verify', token, password, peer: PEER }));
    expect(await register('Ada@example.org')).toBe('ok');
    await world.time.advanceSettled(0);
    const [{ kind, email, token }] = world.mails;
    expect([kind, email]).toEqual(['registered', 'ada@example.org']);
    expect(await refusal(world.logIn('ada@example.org', PASSWORD))).toBe('wrong_credentials');
    expect(await verify('segl_' + 'A'.repeat(43), PASSWORD)).toBe('invalid_link');
    expect(await verify(token!, 'password12')).toBe('bad_password');
    expect(await verify(token!, PASSWORD)).toBe('ok');
    expect(await verify(token!, PASSWORD)).toBe('invalid_link');
    expect((await world.logIn('ada@example.org')).user).toMatchObject({ role: 'consumer', meters: [], name: 'Ada' });
    expect(await register('ada@example.org')).toBe('ok');
    await world.time.advanceSettled(0);
    expect(world.mails[1]).toEqual({ kind: 'alreadyRegistered', email: 'ada@example.org', token: null });
  });

  it('give another password, which ends every log-in', async () => {
    const world = await AccountsWorld.start();
    await world.addUser('ada@example.org');
    const { accessToken } = await world.logIn('ada@example.org');
    const ask = (email: string) => refusal(world.actor.ask({ kind: 'requestReset', email, peer: PEER }));
    expect([await ask('nobody@example.org'), await ask('ada@example.org')]).toEqual(['ok', 'ok']);
    await world.time.advanceSettled(0);
    expect(world.mails.map(({ kind, email }) => [kind, email])).toEqual([['reset', 'ada@example.org']]);
    const confirm = (token: string) => refusal(world.actor.ask({ kind: 'confirmReset', token, password: 'seven blue lanterns', peer: PEER }));
    await ask('ada@example.org');
    await world.time.advanceSettled(0);
    // The newer mail's link takes the place of the one before.
    expect(await confirm(world.mails[0].token!)).toBe('invalid_link');
    expect(await confirm(world.mails[1].token!)).toBe('ok');
    expect(await confirm(world.mails[1].token!)).toBe('invalid_link');
    expect(await world.whose(accessToken)).toBe('revoked_token');
    expect(await refusal(world.logIn('ada@example.org', 'seven blue lanterns'))).toBe('ok');
  });

  it('are good for an hour, and go when the password changes otherwise', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org');
    const confirm = (token: string) => refusal(world.actor.ask({ kind: 'confirmReset', token, password: 'seven blue lanterns', peer: PEER }));
    await world.actor.ask({ kind: 'requestReset', email: 'ada@example.org', peer: PEER });
    await world.time.advanceSettled(0);
    await world.later(60 * MINUTE_MS);
    expect(await confirm(world.mails[0].token!)).toBe('invalid_link');
    await world.actor.ask({ kind: 'requestReset', email: 'ada@example.org', peer: PEER });
    await world.time.advanceSettled(0);
    await world.actor.ask({ kind: 'resetPassword', id, by: ROOT });
    expect(await confirm(world.mails[1].token!)).toBe('invalid_link');
  });

  it('are no more than a few an hour to one address', async () => {
    const world = await AccountsWorld.start();
    const ask = (address: string) => refusal(world.actor.ask({ kind: 'requestReset', email: 'ada@example.org', peer: { ...PEER, address } }));
    expect([await ask('192.0.2.1'), await ask('192.0.2.2'), await ask('192.0.2.3'), await ask('192.0.2.4')]).toEqual(['ok', 'ok', 'ok', 'too_many_mails']);
    await world.later(60 * MINUTE_MS);
    expect(await ask('192.0.2.4')).toBe('ok');
  });

  it('are not sent where nobody may register', async () => {
    const world = await AccountsWorld.start({ registration: false });
    expect(await refusal(world.actor.ask({ kind: 'register', email: 'ada@example.org', name: 'Ada', peer: PEER }))).toBe('registration_off');
  });
});

describe('signing keys', () => {
  it('change when their time is over; tokens of the one before are good until they end', async () => {
    const world = await AccountsWorld.start({ keyLifeMs: 86_400_000 });
    const { id } = await world.addUser('ada@example.org');
    const [before] = world.actor.jwks().keys as { kid: string }[];
    await world.later(23 * 3_600_000 + 55 * MINUTE_MS);
    const { accessToken } = await world.logIn('ada@example.org');
    // The look at the full hour makes the next one.
    await world.time.advanceSettled(5 * MINUTE_MS);
    // It is made off the thread, which takes what it takes.
    while (world.actor.jwks().keys.length < 2) await settled();
    const [next, kept] = world.actor.jwks().keys as { kid: string; d?: string }[];
    expect([next.kid === before.kid, kept.kid]).toEqual([false, before.kid]);
    expect([next.d, kept.d]).toEqual([undefined, undefined]);
    expect(await world.whose(accessToken)).toBe(id);
    await world.restart();
    expect(await world.whose(accessToken)).toBe(id);
    expect((world.actor.jwks().keys as { kid: string }[]).map(({ kid }) => kid)).toEqual([next.kid, before.kid]);
  });
});

describe('device keys', () => {
  it('are shown once, counted by their hash, and revoked for good', async () => {
    const world = await AccountsWorld.start();
    const { key, deviceKey } = await world.actor.ask({ kind: 'makeDeviceKey', name: 'collector 7', scope: { regions: regions('north') }, expiresAt: null, by: ROOT });
    expect(key).toMatch(/^segk_[A-Za-z0-9_-]{43}$/);
    expect(JSON.stringify(await world.actor.ask({ kind: 'deviceKeys', limit: 10, cursor: null }))).not.toContain(key);
    const [row] = await world.actor.deviceKeyRows();
    expect(row).toMatchObject({ id: deviceKey.id, scope: { regions: ['north'] } });
    expect(world.news.at(-1)?.deviceKeys).toEqual({ rows: [row], removed: [] });
    world.actor.noteUse(deviceKey.id, world.time.now());
    await world.time.advanceSettled(60_000);
    expect((await world.actor.ask({ kind: 'deviceKeys', limit: 10, cursor: null })).data[0].lastUsedAt).toBe(world.time.now() - 60_000);
    await world.actor.ask({ kind: 'revokeDeviceKey', id: deviceKey.id, by: ROOT });
    expect(world.news.at(-1)?.deviceKeys).toEqual({ rows: [], removed: [row.hash] });
    await world.restart();
    expect(await world.actor.deviceKeyRows()).toEqual([]);
    expect(await refusal(world.actor.ask({ kind: 'revokeDeviceKey', id: 'key_nobodys', by: ROOT }))).toBe('unknown_device_key');
  });
});

describe('a disk that is full', () => {
  it('changes nothing and ends the accounts, whose next begin from what is there', async () => {
    const world = await AccountsWorld.start();
    const { id } = await world.addUser('ada@example.org');
    const { accessToken } = await world.logIn('ada@example.org');
    world.store.failNext('storage_full');
    expect(await refusal(world.actor.ask({ kind: 'changeUser', id, version: null, change: { isDisabled: true }, by: ROOT }))).toBe('unavailable');
    expect(world.failures).toHaveLength(1);
    // Who is in stays in while nothing can be changed.
    expect(await world.whose(accessToken)).toBe(id);
    await world.restart();
    expect(await world.whose(accessToken)).toBe(id);
  });
});
