import { FAULT } from './reading-rules.ts';
import { numberEnd } from './number-parser.ts';
import { PaddedBody } from './padded-body.ts';

/** Tokens of JSON (RFC 8259) over a padded body. Positions are indexes into it; FAILED means `errorOffset` says where. */

export const FAILED = -1;

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const SPACE = 0x20;

/** What a byte inside a string means for the scan: 0 goes on, anything else is looked at. */
const STRING_STOP = Uint8Array.from({ length: 256 }, (_, byte) => (byte < SPACE || byte === QUOTE || byte === BACKSLASH || byte >= 0x80 ? 1 : 0));

/** The byte a one-letter escape stands for, by letter; 0 where there is no such escape. */
const SHORT_ESCAPE = new Uint8Array(256);
for (const [letter, char] of Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' })) {
  SHORT_ESCAPE[letter.charCodeAt(0)] = char.charCodeAt(0);
}

/** Value of a hexadecimal digit, by byte; 255 elsewhere. */
const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase());
  return value < 0 ? 255 : value;
});

const TRUE = Uint8Array.from(Buffer.from('true'));
const FALSE = Uint8Array.from(Buffer.from('false'));
const NULL = Uint8Array.from(Buffer.from('null'));

/** Kinds of a skipped value: a FAULT, or null. */
export const KIND_NULL = 255;

/** First sizes of the nesting stack and the text buffer, in bytes; both double as needed and never outgrow the body. */
const INITIAL_STACK_BYTES = 256;
const INITIAL_TEXT_BYTES = 1024;
/** Bytes past the end of unescaped text that may be read: a timestamp is looked at up to its twentieth byte whatever its length. */
const TEXT_PADDING_BYTES = 32;

export class JsonScanner {
  readonly body = new PaddedBody();
  errorOffset = 0;
  /** The string scanned last had escapes. */
  escaped = false;
  /** Some string scanned since this was last cleared had a byte of 0x80 or more. */
  sawNonAscii = false;
  /** A FAULT or KIND_NULL: what the value skipped last was. */
  skippedKind = 0;
  /** Where `unescape` puts its result. */
  text = new Uint8Array(INITIAL_TEXT_BYTES);
  /** Open brackets of the value being skipped, innermost last: 1 for an object, 0 for an array. */
  private stack = new Uint8Array(INITIAL_STACK_BYTES);

  fail(offset: number): number {
    this.errorOffset = offset;
    return FAILED;
  }

  skipWhitespace(at: number): number {
    const bytes = this.body.bytes;
    let p = at;
    for (;;) {
      const c = bytes[p];
      if (c !== SPACE && c !== 0x0a && c !== 0x0d && c !== 0x09) return p;
      p++;
    }
  }

  /** Scans a string whose opening quote is before `at`; returns the position after its closing quote. Its UTF-8 is not checked here. */
  scanString(at: number): number {
    const bytes = this.body.bytes;
    let p = at;
    this.escaped = false;
    for (;;) {
      while (STRING_STOP[bytes[p]] === 0) p++;
      const c = bytes[p];
      if (c === QUOTE) return p + 1;
      if (c >= 0x80) {
        this.sawNonAscii = true;
        p++;
        continue;
      }
      if (c !== BACKSLASH) return this.fail(p);
      this.escaped = true;
      const letter = bytes[p + 1];
      if (SHORT_ESCAPE[letter] !== 0) {
        p += 2;
        continue;
      }
      if (letter !== LOWER_U || this.hexAt(p + 2) < 0) return this.fail(p);
      p += 6;
    }
  }

  /**
   * Writes the string at `[start, end)`, scanned before, to `text` as UTF-8 without escapes; returns its length. A lone surrogate becomes
   * the three bytes UTF-8 would give it if it could, so that different strings stay different. A zero byte follows, so that
   * whoever reads digits stops there.
   */
  unescape(start: number, end: number): number {
    // No escape is shorter than what it stands for.
    const needed = end - start + TEXT_PADDING_BYTES;
    if (this.text.length < needed) this.text = new Uint8Array(Math.max(this.text.length * 2, needed));
    const { bytes } = this.body;
    const text = this.text;
    let length = 0;
    let p = start;
    while (p < end) {
      const c = bytes[p];
      if (c !== BACKSLASH) {
        text[length++] = c;
        p++;
        continue;
      }
      const letter = bytes[p + 1];
      if (letter !== LOWER_U) {
        text[length++] = SHORT_ESCAPE[letter];
        p += 2;
        continue;
      }
      let code = this.hexAt(p + 2);
      p += 6;
      if (code >= 0xd800 && code <= 0xdbff && p < end && bytes[p] === BACKSLASH && bytes[p + 1] === LOWER_U) {
        const low = this.hexAt(p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          p += 6;
        }
      }
      length = encodeUtf8(text, length, code);
    }
    text[length] = 0;
    return length;
  }

  /** Skips any value; returns the position after it and sets `skippedKind`. Iterative: depth costs a byte a level, not stack. */
  skipValue(at: number): number {
    const bytes = this.body.bytes;
    let depth = 0;
    let p = at;
    for (;;) {
      // p is where a value must start.
      const c = bytes[p];
      let kind: number;
      if (c === OPEN_BRACE || c === OPEN_BRACKET) {
        const isObject = c === OPEN_BRACE;
        kind = isObject ? FAULT.object : FAULT.array;
        if (depth === 0) this.skippedKind = kind;
        p = this.skipWhitespace(p + 1);
        if (bytes[p] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          if (depth === this.stack.length) this.growStack();
          this.stack[depth++] = isObject ? 1 : 0;
          if (isObject) {
            p = this.skipKey(p);
            if (p < 0) return FAILED;
          }
          continue;
        }
        p++;
      } else {
        kind = this.scalarKind(c);
        const next = this.skipScalar(p, kind);
        if (next < 0) return FAILED;
        if (depth === 0) this.skippedKind = kind;
        p = next;
      }
      p = this.closeBrackets(p, depth);
      if (p < 0) return FAILED;
      depth = this.depthAfterClose;
      if (depth === 0) return p;
    }
  }

  private depthAfterClose = 0;

  /** After a value at `depth`: closes what ends here and stops where the next value starts, or after the last bracket. */
  private closeBrackets(at: number, openDepth: number): number {
    const bytes = this.body.bytes;
    let depth = openDepth;
    let p = at;
    while (depth > 0) {
      p = this.skipWhitespace(p);
      const isObject = this.stack[depth - 1] === 1;
      const c = bytes[p];
      if (c === COMMA) {
        p = this.skipWhitespace(p + 1);
        if (isObject) p = this.skipKey(p);
        break;
      }
      if (c !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return this.fail(p);
      depth--;
      p++;
    }
    this.depthAfterClose = depth;
    return p;
  }

  /** From a key's opening quote to where its value starts. */
  private skipKey(at: number): number {
    const bytes = this.body.bytes;
    if (bytes[at] !== QUOTE) return this.fail(at);
    let p = this.scanString(at + 1);
    if (p < 0) return FAILED;
    p = this.skipWhitespace(p);
    if (bytes[p] !== COLON) return this.fail(p);
    return this.skipWhitespace(p + 1);
  }

  /** FAULT or KIND_NULL of the scalar that starts with this byte, if one does. */
  private scalarKind(c: number): number {
    if (c === QUOTE) return FAULT.string;
    if (c === 0x74 || c === 0x66) return FAULT.boolean;
    if (c === 0x6e) return KIND_NULL;
    return FAULT.number;
  }

  private skipScalar(at: number, kind: number): number {
    const bytes = this.body.bytes;
    if (kind === FAULT.string) return this.scanString(at + 1);
    if (kind === FAULT.number) {
      const end = numberEnd(bytes, at);
      return end < 0 ? this.fail(bytes[at] === MINUS ? at + 1 : at) : end;
    }
    const word = kind === KIND_NULL ? NULL : bytes[at] === TRUE[0] ? TRUE : FALSE;
    for (let k = 1; k < word.length; k++) {
      if (bytes[at + k] !== word[k]) return this.fail(at + k);
    }
    return at + word.length;
  }

  private hexAt(at: number): number {
    const bytes = this.body.bytes;
    const a = HEX_VALUE[bytes[at]];
    if (a === 255) return -1;
    const b = HEX_VALUE[bytes[at + 1]];
    if (b === 255) return -1;
    const c = HEX_VALUE[bytes[at + 2]];
    if (c === 255) return -1;
    const d = HEX_VALUE[bytes[at + 3]];
    return d === 255 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
  }

  private growStack(): void {
    const next = new Uint8Array(this.stack.length * 2);
    next.set(this.stack);
    this.stack = next;
  }
}

/** Writes one code point (lone surrogates too) at `text[at]`; returns the position after it. */
function encodeUtf8(text: Uint8Array, at: number, code: number): number {
  let p = at;
  if (code < 0x80) {
    text[p++] = code;
  } else if (code < 0x800) {
    text[p++] = 0xc0 | (code >> 6);
    text[p++] = 0x80 | (code & 0x3f);
  } else if (code < 0x10000) {
    text[p++] = 0xe0 | (code >> 12);
    text[p++] = 0x80 | ((code >> 6) & 0x3f);
    text[p++] = 0x80 | (code & 0x3f);
  } else {
    text[p++] = 0xf0 | (code >> 18);
    text[p++] = 0x80 | ((code >> 12) & 0x3f);
    text[p++] = 0x80 | ((code >> 6) & 0x3f);
    text[p++] = 0x80 | (code & 0x3f);
  }
  return p;
}
