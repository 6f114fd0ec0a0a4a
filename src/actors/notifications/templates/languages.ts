import type { MessageTexts } from './message-texts.ts';
import { GERMAN } from './texts-de.ts';
import { ENGLISH } from './texts-en.ts';

const BY_LANGUAGE: Readonly<Record<string, MessageTexts>> = { en: ENGLISH, de: GERMAN };

/** Of the locale's language; English when there are none. */
export function textsFor(locale: string): MessageTexts {
  return BY_LANGUAGE[locale.split('-')[0].toLowerCase()] ?? ENGLISH;
}
