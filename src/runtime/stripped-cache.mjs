import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

/**
 * Where this package's TypeScript lies without its types: files beside node_modules, named by the source they were made from, so one is never out of date. JavaScript, as are strip-sources.mjs and
 * stripped-types.mjs: they run before any TypeScript does.
 */

const PACKAGE = new URL('../../', import.meta.url);
export const SOURCES = new URL('src/', PACKAGE);
const CACHE = new URL('node_modules/.cache/smart-energy-grid/', PACKAGE);
/** Another version of Node's stripper may make something else of the same source. */
export const STRIPPED = new URL(`stripped-${process.versions.amaro ?? process.versions.node}/`, CACHE);
export const COMPILED = fileURLToPath(new URL('compiled/', CACHE));
/** Written when all sources have been stripped. */
export const STAMP = new URL('stamp', STRIPPED);

/** @param {string} source @returns {string} the name of its file in STRIPPED */
export function strippedName(source) {
  return `${createHash('sha256').update(source).digest('hex')}.js`;
}
