import type { Font } from 'fontkit';
import type { FontName, PaperFonts } from './paper-fonts.ts';

/** Text of strangers made fit for paper, and the letters of it by font. */

/** Nothing on a bill is longer; what is would cost time to measure before it is cut. */
const CHARACTERS_MAX = 600;

/** One line without control, format (direction) and private characters, composed as fonts have them (é and not e and ´). */
export function paperLine(text: string): string {
  return text
    .slice(0, CHARACTERS_MAX)
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029\s]+/gu, ' ')
    .trim();
}

export interface TextRun {
  font: FontName;
  text: string;
}

const NEUTRAL = /^[\p{M}\p{P}\p{S}\p{Z}]$/u;

/** The text by the font that has its letters. What is no letter stays with what is before it where that font has it, so that a line of Hebrew or Arabic is one run, spaces and all. */
export function textRuns(text: string, isBold: boolean, fonts: PaperFonts): TextRun[] {
  const main: FontName = isBold ? 'bold' : 'regular';
  const other: FontName = isBold ? 'otherBold' : 'otherRegular';
  const runs: TextRun[] = [];
  for (const character of text) {
    const last = runs.at(-1);
    const staysWith = last !== undefined && NEUTRAL.test(character) && hasLetter(fonts[last.font], character) ? last.font : null;
    const font = staysWith ?? (hasLetter(fonts[main], character) || !hasLetter(fonts[other], character) ? main : other);
    if (last?.font === font) last.text += character;
    else runs.push({ font, text: character });
  }
  return runs;
}

const known = new WeakMap<Font, Map<number, boolean>>();

function hasLetter(font: Font, character: string): boolean {
  const codePoint = character.codePointAt(0)!;
  // ASCII is in both.
  if (codePoint < 0x7f) return true;
  let letters = known.get(font);
  if (letters === undefined) known.set(font, (letters = new Map()));
  let has = letters.get(codePoint);
  if (has === undefined) {
    has = font.hasGlyphForCodePoint(codePoint);
    if (letters.size < LETTERS_KNOWN_MAX) letters.set(codePoint, has);
  }
  return has;
}

/** More than both fonts have; strangers' names shall not grow it without end. */
const LETTERS_KNOWN_MAX = 20_000;
