/** Every promise reaction that is ready, and what follows from it, has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
