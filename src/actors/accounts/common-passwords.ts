import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Passwords that are tried first: 49,233 from what leaked (`@zxcvbn-ts/language-common`, MIT), and those of this product and of German, which it has few of. Read when the first password is judged, on the thread that judges: 40 ms of a processor, and 2.7 MB from
 * then on.
 */

const LIST = '@zxcvbn-ts/language-common/src/passwords.json';
/** Two or three letters are no word: with nine figures around them hardly anybody tries them. */
const CHARS_MIN = 4;

const OWN = `superuser willkommen bienvenue ichliebedich fruehling qwertz qwertzuiop yxcvbnm qwer abc abcd abcdef login linkedin fortnite
  passwordadmin adminadmin adminpassword thepassword yourpassword oldpassword firstpassword userpassword rootpassword correcthorsebatterystaple
  smartgrid smartmeter smartenergygrid electricity stromzaehler meter grid`.split(/\s+/);

let common: ReadonlySet<string> | null = null;

/** Whether this is one of them, given as `plainPassword` has it. */
export function isCommonPassword(plain: string): boolean {
  common ??= new Set([...OWN, ...(JSON.parse(readFileSync(createRequire(import.meta.url).resolve(LIST), 'utf8')) as string[]).map(plainPassword).filter((text) => text.length >= CHARS_MIN)]);
  return common.has(plain);
}

/** Small letters, with what is mostly put for letters undone. */
export function plainPassword(text: string): string {
  // So are nearly all of the list.
  if (/^[a-z0-9]*$/.test(text)) return text;
  return text.toLowerCase().replaceAll('@', 'a').replaceAll('$', 's').replace(/[^\p{L}\p{N}]/gu, '');
}
