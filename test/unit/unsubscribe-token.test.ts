import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readUnsubscribeToken, unsubscribeToken } from '../../src/actors/notifications/unsubscribe-token.ts';
import { CHANNEL_NAMES } from '../../src/model/contact.ts';

const SECRET = Buffer.alloc(32, 7);

describe('the token of an unsubscribe link', () => {
  it('says who and which channel', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/), fc.constantFrom(...CHANNEL_NAMES), (contactId, channel) => {
        const token = unsubscribeToken(SECRET, { contactId, channel });
        expect(readUnsubscribeToken(SECRET, token)).toEqual({ contactId, channel });
        expect(encodeURIComponent(token)).toBe(token);
      }),
    );
  });

  it('is the same whenever it is made, so that links in old mails go on working', () => {
    expect(unsubscribeToken(SECRET, { contactId: 'c-1', channel: 'email' })).toBe('ZW1haWwvYy0x.hcnIuWvE_cz0NaMTYC-MY1p2lvwQkWWxoKsYuoNxBXI');
  });

  it('is worth nothing once a character of it is another', () => {
    const token = unsubscribeToken(SECRET, { contactId: 'c-1', channel: 'email' });
    for (let i = 0; i < token.length - 1; i++) {
      const other = token[i] === 'A' ? 'B' : 'A';
      expect(readUnsubscribeToken(SECRET, token.slice(0, i) + other + token.slice(i + 1))).toBeNull();
    }
  });

  it('is worth nothing under another secret, cut, or made up', () => {
    const token = unsubscribeToken(SECRET, { contactId: 'c-1', channel: 'email' });
    expect(readUnsubscribeToken(randomBytes(32), token)).toBeNull();
    for (const text of ['', '.', 'a.b', token.slice(0, -4), `${token}.`, `${token}x`, 'ZW1haWwvYy0x.', 'a'.repeat(1_000_000), '%00.%00']) expect(readUnsubscribeToken(SECRET, text)).toBeNull();
  });

  it('does without a channel that there is not', () => {
    const token = unsubscribeToken(SECRET, { contactId: 'c-1', channel: 'fax' as 'sms' });
    expect(readUnsubscribeToken(SECRET, token)).toBeNull();
  });

  it('takes no short secret', () => {
    expect(() => unsubscribeToken(Buffer.alloc(16), { contactId: 'c-1', channel: 'email' })).toThrow(/32 bytes/);
  });
});
