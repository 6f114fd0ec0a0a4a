import { OperationalError } from '../../runtime/errors.ts';

/** What may be a password (NIST SP 800-63B: length, and nothing that everybody tries; no rules about kinds of characters). */

export const PASSWORD_CHARS_MIN = 10;
export const PASSWORD_CHARS_MAX = 256;
/** Fewer different ones are a pattern. */
const DIFFERENT_MIN = 5;

/** The form that is hashed: one keyboard's ü is another's u with dots. */
export function normalPassword(password: string): string {
  return password.normalize('NFKC');
}

/** Throws `bad_password`. */
export function checkPassword(password: string, { email, name }: { email: string; name: string }): void {
  const normal = normalPassword(password);
  const length = [...normal].length;
  if (length < PASSWORD_CHARS_MIN || password.length > PASSWORD_CHARS_MAX) refuse(`a password has ${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters`);
  const plain = plainOf(normal);
  if (new Set(plain).size < DIFFERENT_MIN) refuse('the password repeats a few characters');
  if (isCommon(plain)) refuse('the password is one of the first that are tried');
  const own = [email, email.split('@')[0], name].map(plainOf).filter((text) => text.length >= 4);
  if (own.some((text) => plain.replaceAll(text, '').length < PASSWORD_CHARS_MIN / 2)) refuse('the password is the address or the name with little else');
}

function refuse(problem: string): never {
  throw new OperationalError('bad_password', problem);
}

/** Small letters, with what is mostly put for letters undone. */
function plainOf(text: string): string {
  return text.toLowerCase().replaceAll('@', 'a').replaceAll('$', 's').replace(/[^\p{L}\p{N}]/gu, '');
}

/** Whether it is a word that everybody takes, alone, repeated, or with figures around it. */
function isCommon(plain: string): boolean {
  const bare = plain.replace(/^\d+|\d+$/g, '');
  for (const text of [plain, bare].flatMap((given) => [given, withLetters(given)])) {
    if (COMMON.has(text) || isRepeated(text)) return true;
  }
  return RUNS.some((run) => run.includes(plain));
}

function withLetters(text: string): string {
  return text.replaceAll('0', 'o').replaceAll('1', 'i').replaceAll('3', 'e').replaceAll('4', 'a').replaceAll('5', 's');
}

/** Whether it is a common word several times. */
function isRepeated(text: string): boolean {
  for (let length = 3; length <= text.length / 2; length++) {
    if (text.length % length === 0 && COMMON.has(text.slice(0, length)) && text === text.slice(0, length).repeat(text.length / length)) return true;
  }
  return false;
}

/** Rows of keyboards and of counting, there and back, twice over. */
const RUNS: readonly string[] = ['01234567890', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiopasdfghjklzxcvbnm', 'qwertzuiopasdfghjklyxcvbnm', 'azertyuiopqsdfghjklmwxcvbn', '1qaz2wsx3edc4rfv5tgb6yhn7ujm', '1q2w3e4r5t6y7u8i9o0p', 'q1w2e3r4t5y6u7i8o9p0'].flatMap(
  (run) => [run.repeat(2), [...run].reverse().join('').repeat(2)],
);

/** From the lists of what leaked most often (SecLists, NCSC), those with letters; figures around them are left off before the comparison. */
const COMMON: ReadonlySet<string> = new Set(
  `password passwort passw0rd passwd motdepasse contrasena wachtwoord haslo parola senha salasana geheim secret admin administrator root superuser welcome willkommen bienvenue letmein changeme changeit default
  iloveyou ichliebedich sunshine princess football baseball basketball soccer dragon monkey master shadow superman batman spiderman pokemon starwars michael jennifer jessica charlie jordan thomas daniel andrew
  ashley nicole hannah samantha elizabeth michelle alexander benjamin liverpool chelsea arsenal barcelona juventus manchester realmadrid schalke bayern dortmund hamburg berlin muenchen london paris
  summer winter autumn spring sommer herbst fruehling january february october november december monday friday
  qwerty qwertz azerty asdfgh asdfghjkl qwertyuiop qwertzuiop zxcvbnm yxcvbnm asdf qwer abcd abcdef abc qazwsx qazwsxedc zaqxsw test testing tester demo guest user login access computer internet hallo hello
  hockey killer trustno trustnoi mustang corvette ferrari mercedes porsche cheese banana orange apple cookie chocolate flower butterfly angel lovely love loveyou loveme freedom whatever nothing forever
  samsung google facebook linkedin microsoft windows iphone android minecraft fortnite playstation nintendo matrix phoenix tigger ginger pepper buster harley ranger hunter sparky maggie bailey
  passwordpassword passwordi passwordadmin adminadmin adminpassword mypassword thepassword yourpassword newpassword oldpassword nopassword firstpassword userpassword rootpassword temppassword temporary
  correcthorsebatterystaple smartgrid smartmeter smartenergygrid energy electricity strom stromzaehler meter grid`.split(/\s+/),
);
