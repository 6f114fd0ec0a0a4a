import { describe, expect, it } from 'vitest';
import { smsSize, towardsGsm7 } from '../../src/actors/notifications/templates/gsm7.ts';
import { SMS_SEGMENTS_MAX, smsText } from '../../src/actors/notifications/templates/sms-text.ts';

describe('the size of a short message', () => {
  it.each([
    ['a', 160, 'GSM-7', 1],
    ['a', 161, 'GSM-7', 2],
    ['a', 306, 'GSM-7', 2],
    ['a', 307, 'GSM-7', 3],
    ['ß', 160, 'GSM-7', 1],
    ['€', 80, 'GSM-7', 1],
    ['€', 81, 'GSM-7', 2],
    // 153 septets hold 76 of them: none is cut in two.
    ['€', 153, 'GSM-7', 3],
    ['Ж', 70, 'UCS-2', 1],
    ['Ж', 71, 'UCS-2', 2],
    ['Ж', 135, 'UCS-2', 3],
    ['😀', 35, 'UCS-2', 1],
    // 67 units hold 33 of them.
    ['😀', 67, 'UCS-2', 3],
  ])('of %s × %d is %s, %d', (character, count, encoding, segments) => {
    expect(smsSize(character.repeat(count))).toEqual({ encoding, segments });
  });
});

describe('letters that the alphabet has not', () => {
  it('become their nearest ones', () => {
    expect(towardsGsm7('“Zürich” – 3\u202f°C… ê ł œ')).toBe('"Zürich" - 3 °C... e ł œ');
    expect(smsSize(towardsGsm7('Größe – 94\u00a0% …')).encoding).toBe('GSM-7');
  });
});

describe('a short message', () => {
  const parts = { head: 'CRITICAL: Region r is dark', sentences: ['Since 14:32 CET.', 'Second', 'Third!'], link: 'https://grid.example/a1', reference: 'Ref 3F9A' };

  it('has its parts in order, as sentences', () => {
    expect(smsText(parts)).toBe('CRITICAL: Region r is dark. Since 14:32 CET. Second. Third! https://grid.example/a1 Ref 3F9A');
  });

  it('leaves the last sentences out before it cuts the headline', () => {
    const text = smsText({ ...parts, sentences: ['First', 'x'.repeat(200), 'y'.repeat(200)] });
    expect(text).toMatch(/^CRITICAL: Region r is dark\. First\. x{200}\. https:\/\/grid\.example\/a1 Ref 3F9A$/);
  });

  it.each(['a', '€', 'Ж', '😀', '字'])('cuts a headline of %s that is too long, and uses the room there is', (character) => {
    const text = smsText({ ...parts, head: character.repeat(2_000) });
    expect(text).toMatch(/\.\.\. https:\/\/grid\.example\/a1 Ref 3F9A$/);
    expect(smsSize(text).segments).toBe(SMS_SEGMENTS_MAX);
    expect(smsSize(`${character}${character}${text}`).segments).toBeGreaterThan(SMS_SEGMENTS_MAX);
    expect(text).not.toMatch(/\p{Cs}/u);
  });

  it('leaves out a link that is too long, or that would be another one as a short message', () => {
    expect(smsText({ ...parts, link: `https://grid.example/${'a'.repeat(150)}` })).toMatch(/Third! Ref 3F9A$/);
    expect(smsText({ ...parts, link: 'https://grid.example/ê' })).toMatch(/Third! Ref 3F9A$/);
    expect(smsText({ ...parts, link: null })).toMatch(/Third! Ref 3F9A$/);
  });
});
