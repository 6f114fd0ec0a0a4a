import { OperationalError } from '../../runtime/errors.ts';
import { isCommonPassword, plainPassword } from './common-passwords.ts';

/** What may be a password (NIST SP 800-63B: length, and nothing that everybody tries; no rules about kinds of characters). */

export const PASSWORD_CHARS_MIN = 10;
export const PASSWORD_CHARS_MAX = 256;
/** Fewer different ones are a pattern. */
const DIFFERENT_MIN = 5;
/** A day of birth: of that many figures around a word each part is left off as well. */
const FIGURES_MAX = 8;

/** The form that is hashed: one keyboard's ü is another's u with dots. */
export function normalPassword(password: string): string {
  return password.normalize('NFKC');
}

/** Throws `bad_password`. */
export function checkPassword(password: string, { email, name }: { email: string; name: string }): void {
  const normal = normalPassword(password);
  const length = [...normal].length;
  if (length < PASSWORD_CHARS_MIN || password.length > PASSWORD_CHARS_MAX) refuse(`a password has ${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters`);
  const plain = plainPassword(normal);
  if (new Set(plain).size < DIFFERENT_MIN) refuse('the password repeats a few characters');
  const pattern = patternOf(plain);
  if (pattern !== null) refuse(`the password is ${pattern}`);
  const own = [email, email.split('@')[0], name].map(plainPassword).filter((text) => text.length >= 4);
  if (own.some((text) => plain.replaceAll(text, '').length < PASSWORD_CHARS_MIN / 2)) refuse('the password is the address or the name with little else');
}

function refuse(problem: string): never {
  throw new OperationalError('bad_password', problem);
}

/** What everybody tries that it is, in words that say nothing of it; null: nothing of that. */
function patternOf(plain: string): string | null {
  if (spellings(plain).some(isCommonPassword)) return 'on the list of those that are tried first';
  const bare = withoutFigures(plain);
  if (bare.flatMap(spellings).some(isCommonPassword)) return 'one of those that are tried first, with figures around it';
  if ([plain, ...bare].flatMap(spellings).some(isRepeated)) return 'one of those that are tried first, several times';
  return RUNS.some((run) => run.includes(plain)) ? 'a row of keys, of letters or of figures' : null;
}

/** Without the figures around it, all or some of them, as `trustno1` of `trustno12026`; none where there are only figures. */
function withoutFigures(text: string): string[] {
  const [, before, after] = /^(\d*)(?=\D).*?(\d*)$/su.exec(text) ?? [];
  if (before === undefined) return [];
  const cuts = (figures: number): number[] => [...Array(Math.min(figures, FIGURES_MAX)).keys(), figures];
  return cuts(before.length).flatMap((from) => cuts(after.length).map((cut) => text.slice(from, text.length - cut)));
}

/** As it is, and with letters where figures stand for them. */
function spellings(text: string): string[] {
  const lettered = text.replaceAll('0', 'o').replaceAll('3', 'e').replaceAll('4', 'a').replaceAll('5', 's');
  return [text, lettered.replaceAll('1', 'i'), lettered.replaceAll('1', 'l')];
}

/** Whether it is a common word several times. */
function isRepeated(text: string): boolean {
  for (let length = 3; length <= text.length / 2; length++) {
    const word = text.slice(0, length);
    if (text.length % length === 0 && text === word.repeat(text.length / length) && isCommonPassword(word)) return true;
  }
  return false;
}

/** Rows of keyboards and of counting, there and back, twice over. */
const RUNS: readonly string[] = ['01234567890', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiopasdfghjklzxcvbnm', 'qwertzuiopasdfghjklyxcvbnm', 'azertyuiopqsdfghjklmwxcvbn', '1qaz2wsx3edc4rfv5tgb6yhn7ujm', '1q2w3e4r5t6y7u8i9o0p', 'q1w2e3r4t5y6u7i8o9p0'].flatMap(
  (run) => [run.repeat(2), [...run].reverse().join('').repeat(2)],
);
