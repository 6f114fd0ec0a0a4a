/** Node's arguments of every worker thread: it gets its TypeScript without types, and starts no stripper of its own (stripped-types.mjs). Those of the process are V8's, which a thread shares anyway. */
export const THREAD_ARGUMENTS: string[] = ['--import', new URL('./stripped-types.mjs', import.meta.url).href];
