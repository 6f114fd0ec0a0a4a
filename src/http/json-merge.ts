/**
 * A document with a change of some of its fields, as RFC 7396 has it but for null, which is a value here and takes nothing out: objects are merged, everything else replaces what was there. Neither is touched, and
 * fields that the document does not have are added: a schema judges them.
 */
export function mergedJson(document: object, change: object): object {
  const merged = new Map<string, unknown>(Object.entries(document));
  for (const [name, value] of Object.entries(change)) {
    const before = merged.get(name);
    merged.set(name, isPlainObject(before) && isPlainObject(value) ? mergedJson(before, value) : value);
  }
  return Object.fromEntries(merged);
}

export function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
