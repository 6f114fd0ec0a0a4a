/** Patterns of names, as rules, silences and preferences write them: `*` stands for any run of characters. */

/** Says whether a name fits one of the patterns. An empty list takes every name, and what has none; any other list takes no null. */
export function patternMatcher(patterns: readonly string[]): (name: string | null) => boolean {
  if (patterns.length === 0) return () => true;
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const wild = patterns.filter((pattern) => pattern.includes('*')).map((pattern) => pattern.split('*'));
  return (name) => name !== null && (exact.has(name) || wild.some((parts) => hasParts(name, parts)));
}

/**
 * `parts`: what stands between the stars. The first must begin the name and the last end it; those between are taken as early as they come, which
 * finds a place for all of them where there is one, in time that no pattern makes more than linear in the name for each of its parts (a regular expression could take exponential time).
 */
function hasParts(name: string, parts: readonly string[]): boolean {
  const first = parts[0];
  const last = parts[parts.length - 1];
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let at = first.length;
  for (let i = 1; i < parts.length - 1; i++) {
    const found = name.indexOf(parts[i], at);
    if (found < 0 || found + parts[i].length > end) return false;
    at = found + parts[i].length;
  }
  return true;
}
