/** The largest Map, Set or array that can be reached from here, and where it is. `leftOut`: names of fields that are not looked into. */
export function largestCollection(root: object, leftOut: readonly string[]): { path: string; size: number } {
  const seen = new Set<object>();
  let largest = { path: '', size: 0 };
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || seen.has(value) || ArrayBuffer.isView(value)) return;
    seen.add(value);
    const size = value instanceof Map || value instanceof Set ? value.size : Array.isArray(value) ? value.length : 0;
    if (size > largest.size) largest = { path, size };
    const inside = value instanceof Map || value instanceof Set ? [...value.values()].map((inner) => ['[]', inner] as const) : Object.entries(value);
    for (const [name, inner] of inside) if (!leftOut.includes(name)) visit(inner, `${path}.${name}`);
  };
  visit(root, '');
  return largest;
}
