import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AuditLog, AUDIT_HEAD_TABLE, AUDIT_TABLE, verifyAuditLog, type AuditHead } from '../../src/actors/accounts/audit-log.ts';
import { LinkBook } from '../../src/actors/accounts/link-book.ts';
import { LogInThrottle, networkOf } from '../../src/actors/accounts/log-in-throttle.ts';
import { PasswordHashing } from '../../src/actors/accounts/password-hashing.ts';
import { checkPassword } from '../../src/actors/accounts/password-rules.ts';
import type { AuditEntry, AuditRecord } from '../../src/actors/accounts/protocol.ts';
import { newOneTimePassword } from '../../src/actors/accounts/secrets.ts';
import { StreamTickets, TICKET_MS } from '../../src/actors/accounts/stream-tickets.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { RecordTable, sortableNumber } from '../../src/runtime/record-table.ts';
import { StagedStore } from '../../src/runtime/staged-store.ts';

const CHEAP = { logN: 1, r: 1, p: 1 };

describe('the audit log', () => {
  const entry = (n: number, given: Partial<AuditEntry> = {}): AuditEntry => ({ at: n, by: `usr_${n % 3}`, byName: 'ada', action: n % 2 === 0 ? 'even' : 'odd', target: '/x', status: 200, requestId: '', address: '', ...given });

  async function written(count: number): Promise<{ store: MemoryStore; log: AuditLog; entries: RecordTable<AuditRecord>; heads: RecordTable<AuditHead>; findings: () => string[] }> {
    const store = new MemoryStore();
    const staged = new StagedStore(store);
    const log = new AuditLog(staged);
    for (let n = 1; n <= count; n++) {
      log.append(entry(n));
      // Several in one turn follow from each other as well.
      if (n % 3 !== 0 && n !== count) continue;
      staged.flush();
      await store.commit();
      staged.settle();
    }
    const entries = new RecordTable<AuditRecord>(store, AUDIT_TABLE);
    const heads = new RecordTable<AuditHead>(store, AUDIT_HEAD_TABLE);
    const findings = (): string[] => {
      const found: string[] = [];
      verifyAuditLog(entries, heads, (where) => found.push(where));
      return found;
    };
    return { store, log, entries, heads, findings };
  }

  it('is a chain in which nothing can be changed, taken out, put in or cut off unseen', async () => {
    for (const [what, damage, found] of [
      ['nothing', () => {}, []],
      ['a name', (table: RecordTable<AuditRecord>) => table.put(sortableNumber(4), { ...table.get(sortableNumber(4))!, byName: 'eve' }), ['audit entry 4']],
      ['a status', (table: RecordTable<AuditRecord>) => table.put(sortableNumber(4), { ...table.get(sortableNumber(4))!, status: 500 }), ['audit entry 4']],
      ['a hash', (table: RecordTable<AuditRecord>) => table.put(sortableNumber(4), { ...table.get(sortableNumber(4))!, hash: 'f'.repeat(64) }), ['audit entry 4', 'audit entry 5']],
      ['one from the middle', (table: RecordTable<AuditRecord>) => table.remove(sortableNumber(4)), ['audit entry 5']],
      ['the end', (table: RecordTable<AuditRecord>) => table.remove(sortableNumber(10)), ['audit log']],
      ['the beginning', (table: RecordTable<AuditRecord>) => table.remove(sortableNumber(1)), ['audit entry 2']],
      ['the place', (table: RecordTable<AuditRecord>) => table.put(sortableNumber(11), table.get(sortableNumber(10))!), ['audit entry 10', 'audit entry 10']],
    ] as const) {
      const { store, entries, findings } = await written(10);
      damage(entries);
      await store.commit();
      expect([what, findings()]).toEqual([what, found]);
    }
  });

  it('reads back newest first, page by page, also where few entries fit', async () => {
    const { log } = await written(50);
    const query = { by: null as string | null, action: null as string | null, from: 0, to: Infinity };
    const all = (filter: Partial<typeof query>): number[] => {
      const found: number[] = [];
      let cursor: string | null = null;
      do {
        const page = log.page({ ...query, ...filter, limit: 7, cursor });
        found.push(...page.data.map(({ seq }) => seq));
        cursor = page.nextCursor;
      } while (cursor !== null);
      return found;
    };
    const seqs = Array.from({ length: 50 }, (_, i) => 50 - i);
    expect(all({})).toEqual(seqs);
    expect(all({ by: 'usr_1' })).toEqual(seqs.filter((n) => n % 3 === 1));
    expect(all({ action: 'even', from: 11, to: 31 })).toEqual(seqs.filter((n) => n % 2 === 0 && n >= 11 && n < 31));
    expect(() => log.page({ ...query, limit: 7, cursor: 'x' })).toThrow('cursor');
  });

  it('keeps what clients send to its bounds, and as it comes back from the disk', async () => {
    const { store, log } = await written(0);
    const staged = new StagedStore(store);
    const next = new AuditLog(staged);
    next.append(entry(1, { target: `${'x'.repeat(511)}😀`, requestId: '\ud800' }));
    staged.flush();
    await store.commit();
    const found: string[] = [];
    verifyAuditLog(new RecordTable(store, AUDIT_TABLE), new RecordTable(store, AUDIT_HEAD_TABLE), (where) => found.push(where));
    expect(found).toEqual([]);
    expect(log.page({ by: null, action: null, from: 0, to: Infinity, limit: 1, cursor: null }).data[0].target.length).toBe(512);
  });
});

describe('passwords', () => {
  const fault = (password: string, person = { email: 'ada.lovelace@example.org', name: 'Ada Lovelace' }): boolean => {
    try {
      checkPassword(password, person);
      return false;
    } catch {
      return true;
    }
  };

  it.each(['three green kettles', 'Tr0ub4dor&3x!', 'ßöäü漢字かなカナ한글', 'xkcd-9-staple-horse', 'x9$kQ2!mPz', 'a'.repeat(100) + 'bcdef'.repeat(10)])('may be %j', (password) => {
    expect(fault(password)).toBe(false);
  });

  it.each(['', 'short', 'ninechars', 'x'.repeat(257), 'aaaaaaaaaaaa', 'abababababab', 'password12', 'Password123!', 'P@ssw0rd1234', 'qwertyuiop', '1234567890', '0987654321', 'passwordpassword', '1q2w3e4r5t6y', 'iloveyou2026', 'Welcome2026!', 'ada.lovelace1', 'AdaLovelace42', 'ada.lovelace@example.org'])('may not be %j', (password) => {
    expect(fault(password)).toBe(true);
  });

  it('are hashed with a salt, and known again', async () => {
    const hashing = new PasswordHashing(CHEAP);
    const [one, other] = [await hashing.hash('three green kettles'), await hashing.hash('three green kettles')];
    expect(one).toMatch(/^scrypt\$1\$1\$1\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toBe(other);
    expect([await hashing.verify('three green kettles', one), await hashing.verify('three green kettle', one), await hashing.verify('three green kettles', null)]).toEqual([true, false, false]);
    // Typed with another keyboard.
    const umlaut = await hashing.hash('grüne Kessel sind drei');
    expect(await hashing.verify('gru\u0308ne Kessel sind drei', umlaut)).toBe(true);
  });

  it('verify at the cost they were hashed at, and ask to be hashed anew when that was another', async () => {
    const before = await new PasswordHashing({ logN: 2, r: 1, p: 1 }).hash('three green kettles');
    const hashing = new PasswordHashing(CHEAP);
    expect([await hashing.verify('three green kettles', before), hashing.isOutdated(before), hashing.isOutdated(await hashing.hash('x'))]).toEqual([true, true, false]);
    await expect(hashing.verify('x', before.replace('$2$', '$29$'))).rejects.toThrow('memory');
    await expect(hashing.verify('x', 'md5$abc')).rejects.toThrow('form');
  });

  it('are hashed few at once, and refused when too many wait', async () => {
    const hashing = new PasswordHashing({ logN: 10, r: 8, p: 1 });
    const asked = Array.from({ length: 80 }, () => hashing.hash('x').then(() => 'hashed', ({ code }: { code: string }) => code));
    const outcomes = await Promise.all(asked);
    expect(outcomes.filter((outcome) => outcome === 'hashed')).toHaveLength(66);
    expect(new Set(outcomes.slice(66))).toEqual(new Set(['mailbox_full']));
    expect(await hashing.hash('x')).toMatch(/^scrypt/);
  });

  it('are hashed at the cost that is asked of scrypt', async () => {
    const hashing = new PasswordHashing();
    expect(await hashing.hash('three green kettles')).toMatch(/^scrypt\$17\$8\$1\$/);
  });

  it('to be used once are drawn evenly from their letters', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 2_000; i++) for (const letter of newOneTimePassword(randomBytes).replaceAll('-', '')) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    expect(counts.size).toBe(31);
    // 40,000 letters: 1,290 of each, with a deviation of 35.
    for (const count of counts.values()) expect(Math.abs(count - 1_290)).toBeLessThan(6 * 36);
  });
});

describe('guesses', () => {
  it('wait longer with each, to a quarter of an hour, and are forgotten after an hour', () => {
    const throttle = new LogInThrottle();
    let nowMs = 0;
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      for (;;) {
        try {
          throttle.begin('ada', '192.0.2.1', nowMs);
          break;
        } catch (error) {
          const { retryAfterMs } = error as { retryAfterMs: number };
          waits.push(retryAfterMs / 1_000);
          nowMs += retryAfterMs;
        }
      }
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900]);
    nowMs += 3_600_001;
    for (let i = 0; i < 5; i++) throttle.begin('ada', '192.0.2.1', nowMs);
    expect(() => throttle.begin('ada', '192.0.2.1', nowMs)).toThrow();
  });

  it('at many accounts from one address wait too, whichever of an IPv6 line', () => {
    const throttle = new LogInThrottle();
    for (let i = 0; i < 100; i++) throttle.begin(`user${i}`, `2001:db8:1:2::${i.toString(16)}`, 0);
    expect(() => throttle.begin('another', '2001:db8:1:2:ffff::1', 0)).toThrow();
    throttle.begin('another', '2001:db8:1:3::1', 0);
  });

  it('at one account from many addresses wait for half a minute at most', () => {
    const throttle = new LogInThrottle();
    for (let i = 0; i < 60; i++) {
      try {
        throttle.begin('ada', `198.51.100.${i}`, i * 30_000);
      } catch (error) {
        expect((error as { retryAfterMs: number }).retryAfterMs).toBeLessThanOrEqual(30_000);
      }
    }
    expect(() => throttle.begin('ada', '203.0.113.1', 59 * 30_000)).toThrow();
  });

  it('from behind a proxy on this machine have nobody wait for somebody else', () => {
    const throttle = new LogInThrottle();
    for (const address of ['127.0.0.1', '0000:0000:0000:0000:0000:ffff:7f00:0001', '0000:0000:0000:0000:0000:0000:0000:0001']) for (let i = 0; i < 40; i++) throttle.begin(`user${i}`, address, 0);
    throttle.begin('ada', '127.0.0.1', 0);
    for (let i = 0; i < 49; i++) throttle.begin('ada', '127.0.0.1', 0);
    expect(() => throttle.begin('ada', '127.0.0.1', 0)).toThrow();
    throttle.begin('ada', '127.0.0.1', 30_000);
    expect(() => throttle.begin('ada', '127.0.0.1', 30_000)).toThrow();
  });

  it('are counted by networks', () => {
    expect(['192.0.2.1', '::ffff:192.0.2.1', '0000:0000:0000:0000:0000:ffff:c000:0201', '::1', '0000:0000:0000:0000:0000:0000:0000:0001', '2001:DB8::1', '2001:db8:0:0:1::', '2001:0db8:0000:0000:0000:0000:0000:0001', 'fe80::1%eth0', ''].map(networkOf)).toEqual([
      '192.0.2.1', '192.0.2.1', '192.0.2.1', '::1', '::1', '2001:db8:0:0::/64', '2001:db8:0:0::/64', '2001:db8:0:0::/64', 'fe80:0:0:0::/64', '',
    ]);
  });
});

describe('links', () => {
  it('are good for one thing, once, for their time', () => {
    const links = new LinkBook(new StagedStore(new MemoryStore()), randomBytes);
    const person = { email: 'ada@example.org', name: 'Ada', userId: 'usr_ada' };
    const [register, reset] = [links.make({ kind: 'register', ...person }, 0), links.make({ kind: 'reset', ...person }, 0)];
    expect(links.require(reset, 'reset', 3_599_999)).toMatchObject(person);
    for (const spend of [() => links.spend(reset, 'reset', 3_600_000), () => links.spend(reset, 'register', 0), () => links.spend(register, 'reset', 0), () => links.spend('segl_', 'reset', 0)]) expect(spend).toThrow('used or too old');
    links.spend(register, 'register', 24 * 3_600_000 - 1);
    expect(() => links.require(register, 'register', 0)).toThrow('used or too old');
  });
});

describe('tickets', () => {
  it('count once, for half a minute', () => {
    const tickets = new StreamTickets(randomBytes);
    const { ticket } = tickets.make('usr_ada', 's1', 0);
    expect(tickets.spend(ticket, TICKET_MS - 1)).toMatchObject({ userId: 'usr_ada', sessionId: 's1' });
    expect(tickets.spend(ticket, TICKET_MS - 1)).toBeNull();
    const late = tickets.make('usr_ada', null, 0);
    expect(tickets.spend(late.ticket, TICKET_MS)).toBeNull();
    expect(tickets.spend('', 0)).toBeNull();
  });
});
