import { describe, expect, test } from 'vitest';
import { mergedJson } from '../../src/http/json-merge.ts';

describe('a document with a change', () => {
  const document = { name: 'Ada', addresses: { email: 'a@b.c', push: ['t'], webhook: null as object | null }, list: [1] };

  test('keeps what is not named, merges objects and replaces the rest, null included', () => {
    expect(mergedJson(document, { addresses: { email: null, push: [] }, list: [2, 3] })).toEqual({ name: 'Ada', addresses: { email: null, push: [], webhook: null }, list: [2, 3] });
    expect(mergedJson(document, { addresses: { webhook: { url: 'u' } } })).toMatchObject({ addresses: { email: 'a@b.c', webhook: { url: 'u' } } });
    expect(mergedJson(document, { addresses: 'none', list: { 0: 1 } })).toEqual({ name: 'Ada', addresses: 'none', list: { 0: 1 } });
  });

  test('leaves both as they were', () => {
    const before = structuredClone(document);
    const merged = mergedJson(document, { addresses: { email: 'new' }, more: 1 }) as typeof document;
    merged.addresses.email = 'changed';
    expect(document).toEqual(before);
  });

  test('takes names of Object.prototype as names', () => {
    const merged = mergedJson(document, JSON.parse('{"__proto__": {"isAdmin": true}, "constructor": {"x": 1}, "toString": 5}'));
    expect(Object.keys(merged)).toEqual(['name', 'addresses', 'list', '__proto__', 'constructor', 'toString']);
    expect('isAdmin' in merged).toBe(false);
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });
});
