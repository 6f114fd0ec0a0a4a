import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it, test } from 'vitest';
import { checkPassword } from '../../src/actors/accounts/password-rules.ts';

/** What is refused because everybody tries it, and what the answer says of it. */

const LIST: readonly string[] = JSON.parse(readFileSync(createRequire(import.meta.url).resolve('@zxcvbn-ts/language-common/src/passwords.json'), 'utf8'));
const ADA = { email: 'ada.lovelace@example.org', name: 'Ada Lovelace' };

function faultOf(password: string): string | null {
  try {
    checkPassword(password, ADA);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a common password', () => {
  test('is refused, every one of the list, in capitals too and with figures around it', () => {
    expect(LIST.length).toBe(49_233);
    const taken: string[] = [];
    for (const word of LIST) {
      // Those that are too short are made longer by what people put there; figures are figures, however many.
      const tried = word.length >= 10 ? [word, word.toUpperCase()] : /[a-z]/.test(word) && word.replace(/[^a-z0-9]/g, '').length >= 4 ? [`${word}2026!`.padEnd(10, '7'), `12${word[0].toUpperCase()}${word.slice(1)}3456`] : [];
      taken.push(...tried.filter((password) => faultOf(password) === null));
    }
    expect(taken).toEqual([]);
  });

  it.each([
    ['unbelievable', 'the password is on the list of those that are tried first'],
    ['UNbelievABLE', 'the password is on the list of those that are tried first'],
    ['Smart-Energy-Grid', 'the password is on the list of those that are tried first'],
    ['unb3l1evable', 'the password is on the list of those that are tried first'],
    ['2026Lantern!!', 'the password is one of those that are tried first, with figures around it'],
    ['trustno12026', 'the password is one of those that are tried first, with figures around it'],
    ['lanternlantern', 'the password is one of those that are tried first, several times'],
    ['123456123456', 'the password is one of those that are tried first, several times'],
    ['zyxwvutsrqpon', 'the password is a row of keys, of letters or of figures'],
    ['aaaabbbbccccdddd', 'the password repeats a few characters'],
    ['short', 'a password has 10 to 256 characters'],
    ['AdaLovelace42', 'the password is the address or the name with little else'],
  ])('%j is refused with its reason', (password, reason) => {
    expect(faultOf(password)).toBe(reason);
  });

  it.each(['lantern under a bridge', 'xyz48151623421', 'Lantern&Kettle'])('in %j is no reason', (password) => {
    expect(faultOf(password)).toBeNull();
  });
});
