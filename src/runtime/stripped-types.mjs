import { readFileSync } from 'node:fs';
import { enableCompileCache, registerHooks } from 'node:module';
import { COMPILED, SOURCES, STRIPPED, strippedName } from './stripped-cache.mjs';

/**
 * Loads this package's TypeScript as strip-sources.mjs has left it. Node's own stripper is a WebAssembly module, of which each thread starts and keeps one: some 15 MB, and half of the time
 * that a thread takes to start. It goes on doing what has not been stripped yet. The first import of seg.mjs, and preloaded by every worker thread.
 */

registerHooks({
  // Our files name each other by their path. Node would look for each on the disk, and for the package.json that says what it is: a seventh of the processor time of a start.
  resolve(specifier, context, nextResolve) {
    const isOurs = specifier.startsWith('.') && specifier.endsWith('.ts') && context.parentURL?.startsWith(SOURCES.href);
    return isOurs ? { url: new URL(specifier, context.parentURL).href, format: 'module-typescript', shortCircuit: true } : nextResolve(specifier, context);
  },
  load(url, context, nextLoad) {
    if (!url.startsWith(SOURCES.href) || !url.endsWith('.ts')) return nextLoad(url, context);
    try {
      const source = readFileSync(new URL(url), 'utf8');
      const stripped = readFileSync(new URL(strippedName(source), STRIPPED), 'utf8');
      // Types become spaces, so a file that lost its end when the power went has another length.
      if (stripped.length === source.length) return { format: 'module', source: stripped, shortCircuit: true };
    } catch {
      // Not there yet.
    }
    return nextLoad(url, context);
  },
});
enableCompileCache(COMPILED);
