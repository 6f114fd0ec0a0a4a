import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatTraceparent, parseTraceparent } from '../../src/runtime/trace-context.ts';

/** The examples and rules of https://www.w3.org/TR/trace-context/. */

const hex = (digits: number) => fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits }).map((all) => all.join(''));
const id = (digits: number) => hex(digits).filter((text) => /[^0]/.test(text));
const context = fc.record({ traceId: id(32), spanId: id(16), isSampled: fc.boolean() });

const EXAMPLE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('a traceparent', () => {
  test('is read as the specification\'s example says', () => {
    expect(parseTraceparent(EXAMPLE)).toEqual({ traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', isSampled: true });
  });

  test('is read as it was written', () => {
    fc.assert(
      fc.property(context, (given) => {
        expect(parseTraceparent(formatTraceparent(given))).toEqual(given);
      }),
    );
  });

  test('is sampled by the last bit of its flags alone, whatever the others say', () => {
    fc.assert(
      fc.property(context, fc.integer({ min: 0, max: 255 }), ({ traceId, spanId }, flags) => {
        const header = `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
        expect(parseTraceparent(header)).toEqual({ traceId, spanId, isSampled: flags % 2 === 1 });
      }),
    );
  });

  test('of a later version is read by what this one knows, and may go on behind a dash', () => {
    fc.assert(
      fc.property(context, fc.integer({ min: 1, max: 254 }), fc.string(), (given, version, more) => {
        const header = formatTraceparent(given).replace('00', version.toString(16).padStart(2, '0'));
        expect(parseTraceparent(header)).toEqual(given);
        expect(parseTraceparent(`${header}-${more}`)).toEqual(given);
        expect(parseTraceparent(`${header}.${more}`)).toBeNull();
      }),
    );
  });

  test.each([
    ['empty', ''],
    ['of version ff', EXAMPLE.replace('00', 'ff')],
    ['of version 00 with more behind it', `${EXAMPLE}-00`],
    ['with a trace of zeros', EXAMPLE.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32))],
    ['with a span of zeros', EXAMPLE.replace('00f067aa0ba902b7', '0'.repeat(16))],
    ['in upper case', EXAMPLE.toUpperCase()],
    ['with a space before it', ` ${EXAMPLE}`],
    ['cut short', EXAMPLE.slice(0, -1)],
    ['with other dashes', EXAMPLE.replaceAll('-', '_')],
    ['with a letter that is no digit', EXAMPLE.replace('4bf9', '4bg9')],
    ['with a line behind it', `${EXAMPLE}\n`],
  ])('%s is none', (_, header) => {
    expect(parseTraceparent(header)).toBeNull();
  });

  test('with one character changed is none, or says what stands there', () => {
    fc.assert(
      fc.property(context, fc.nat(54), fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 }), (given, at, character) => {
        const header = formatTraceparent(given);
        const changed = header.slice(0, at) + character + header.slice(at + 1);
        const read = parseTraceparent(changed);
        if (read === null) return;
        expect(changed.slice(3, 35)).toBe(read.traceId);
        expect(changed.slice(36, 52)).toBe(read.spanId);
        expect(changed).toMatch(/^[0-9a-f-]+$/);
      }),
    );
  });

  test('is never more than what a reader can take: any text is none or a context', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        const read = parseTraceparent(text);
        if (read !== null) expect(text.startsWith(`${text.slice(0, 2)}-${read.traceId}-${read.spanId}-`)).toBe(true);
      }),
    );
  });
});
