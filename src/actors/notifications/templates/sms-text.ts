import { smsSize, towardsGsm7 } from './gsm7.ts';
import { plainLine } from './plain-line.ts';

/** Segments that one message takes at most: each is paid for, and some networks deliver longer ones in pieces. */
export const SMS_SEGMENTS_MAX = 3;

/** Longest link that is put in: it must leave room for words. Longer ones are left out. */
const LINK_CHARACTERS_MAX = 140;
/** A reference is a few letters; cut where one is not, or there were no room for words. */
const REFERENCE_CHARACTERS_MAX = 40;

/** What it says, most important first. */
export interface SmsParts {
  /** Cut when all is too long without the rest. */
  head: string;
  /** Further sentences; the last ones go first when there is no room. */
  sentences: readonly string[];
  link: string | null;
  /** Stands at the end, always. */
  reference: string;
}

export function smsText({ head, sentences, link, reference }: SmsParts): string {
  const ownHead = sentence(head);
  const own = sentences.map(sentence).filter((text) => text !== '');
  const end = towardsGsm7(Array.from(plainLine(reference)).slice(0, REFERENCE_CHARACTERS_MAX).join(''));
  // A link is not one any more when a character of it is another.
  const shownLink = link !== null && link.length <= LINK_CHARACTERS_MAX && /^[!-~]+$/.test(link) ? link : null;
  const tail = shownLink === null ? end : `${shownLink} ${end}`;
  for (let kept = own.length; kept >= 0; kept--) {
    const text = [ownHead, ...own.slice(0, kept), tail].join(' ');
    if (smsSize(text).segments <= SMS_SEGMENTS_MAX) return text;
  }
  return cutHead(Array.from(ownHead), tail);
}

/** As much of the head as fits. */
function cutHead(head: readonly string[], tail: string): string {
  // Shorter texts never take more segments, so the longest that fits is found by halving.
  let fits = 0;
  let tooLong = head.length;
  const cut = (length: number) => `${head.slice(0, length).join('').trimEnd()}... ${tail}`;
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (smsSize(cut(middle)).segments <= SMS_SEGMENTS_MAX) fits = middle;
    else tooLong = middle;
  }
  return cut(fits);
}

function sentence(text: string): string {
  const line = towardsGsm7(plainLine(text).replace(/\s+/g, ' '));
  return line === '' || /[.!?]$/.test(line) ? line : `${line}.`;
}
