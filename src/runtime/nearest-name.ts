/** "Did you mean …?" for misspelt settings and query parameters. */

/** The known name within a third of its length in edits, or null. Case does not count. */
export function nearestName(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance <= Math.max(1, candidate.length / 3)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Longest name compared: a suggestion for anything longer is of no use, and the table is quadratic. */
const COMPARED_CHARS_MAX = 64;

/** Levenshtein's distance, two rows of the table at a time. */
function editDistance(a: string, b: string): number {
  if (a.length > COMPARED_CHARS_MAX || b.length > COMPARED_CHARS_MAX) return Infinity;
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = above[column - 1] + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, above[column] + 1, current[column - 1] + 1));
    }
    above = current;
  }
  return above[b.length];
}
