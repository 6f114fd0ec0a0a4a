/** How long a short message is, as networks count it. Source: 3GPP TS 23.038 (alphabet) and 23.040 (joined messages: a header of 6 octets takes 7 septets or 3 units of each). */

/** The basic alphabet. */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Each takes two: an escape and itself. */
const EXTENSION = new Set('\f^{}\\[~]|€');

const SEPTETS = { alone: 160, joined: 153 } as const;
const UNITS = { alone: 70, joined: 67 } as const;

/** What looks alike in the alphabet; anything else keeps its own look, at twice the price. */
const ALIKE: Readonly<Record<string, string>> = {
  '\u00a0': ' ', '\u202f': ' ', '\u2009': ' ', '\u2007': ' ', '\t': ' ', '`': "'",
  '–': '-', '—': '-', '−': '-', '‐': '-', '‑': '-', '…': '...', '·': '.', '•': '*', '×': 'x',
  '“': '"', '”': '"', '„': '"', '«': '"', '»': '"', '‘': "'", '’': "'", '‚': "'", '²': '2', '³': '3', '≥': '>=', '≤': '<=',
};

export interface SmsSize {
  encoding: 'GSM-7' | 'UCS-2';
  segments: number;
}

/** Puts what the alphabet has not in its nearest letters, where there are such: `ê` as `e`, a dash as a hyphen. */
export function towardsGsm7(text: string): string {
  return Array.from(text, (character) => {
    if (isGsm7(character)) return character;
    const alike = ALIKE[character];
    if (alike !== undefined) return alike;
    const bare = character.normalize('NFD').replace(/\p{M}/gu, '');
    return bare !== '' && Array.from(bare).every(isGsm7) ? bare : character;
  }).join('');
}

export function smsSize(text: string): SmsSize {
  const characters = Array.from(text);
  // An escape and its character, or the halves of a surrogate pair, go into the same segment.
  if (characters.every(isGsm7)) return { encoding: 'GSM-7', segments: segmentsOf(characters.map((character) => (EXTENSION.has(character) ? 2 : 1)), SEPTETS) };
  return { encoding: 'UCS-2', segments: segmentsOf(characters.map((character) => character.length), UNITS) };
}

function isGsm7(character: string): boolean {
  return BASIC.has(character) || EXTENSION.has(character);
}

function segmentsOf(widths: readonly number[], room: { alone: number; joined: number }): number {
  if (widths.reduce((total, width) => total + width, 0) <= room.alone) return 1;
  let segments = 1;
  let used = 0;
  for (const width of widths) {
    if (used + width > room.joined) {
      segments++;
      used = 0;
    }
    used += width;
  }
  return segments;
}
