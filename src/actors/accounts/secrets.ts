import { createHash, timingSafeEqual } from 'node:crypto';

/** Secrets that the engine makes and shows once. What is kept of one is its SHA-256: with 256 random bits nothing is to be guessed, so no slow hash is needed as for passwords. */

/** Gives bytes that nobody can foresee; crypto.randomBytes, or a test's own. */
export type RandomBytes = (length: number) => Buffer;

const SECRET_BYTES = 32;
/** Ids are looked up, not guessed: 96 bits never meet. */
const ID_BYTES = 12;

export function newSecret(prefix: string, random: RandomBytes): string {
  return `${prefix}${random(SECRET_BYTES).toString('base64url')}`;
}

export function newId(prefix: string, random: RandomBytes): string {
  return `${prefix}${random(ID_BYTES).toString('base64url')}`;
}

/** Hex. */
export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Whether two hashes in hex are the same, in a time that does not say where they differ. */
export function isSameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, 'hex'), Buffer.from(b, 'hex')];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Without letters that are taken for another. */
const ONE_TIME_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';
const ONE_TIME_LENGTH = 20;

/** A password to be typed once, in groups of five: 20 of 31 letters are 99 bits. */
export function newOneTimePassword(random: RandomBytes): string {
  let letters = '';
  while (letters.length < ONE_TIME_LENGTH) {
    // Bytes past the last whole round would make some letters likelier.
    for (const byte of random(ONE_TIME_LENGTH)) {
      if (byte < 248 && letters.length < ONE_TIME_LENGTH) letters += ONE_TIME_LETTERS[byte % ONE_TIME_LETTERS.length];
    }
  }
  return letters.replace(/.{5}(?=.)/g, '$&-');
}
