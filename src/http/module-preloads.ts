import { posix } from 'node:path';

/**
 * A page names its first module alone, and a browser hears of the others as it reads them, one round of requests after the other. Links in the page's head tell it of all at once: of what there is, as it is imported, so there is
 * nothing to build and nothing to be forgotten.
 */

const MODULE_SCRIPT = /<script type="module" src="([^"]+)"><\/script>/;
/** Static imports; those in comments, of types, are calls. */
const IMPORT = /\b(?:from|import)\s*(['"])([^'"\n]+)\1/g;

/** The page with a link for each module that its own imports, in the order in which a browser would hear of them. `modules`: texts by path, with addresses as they are served. */
export function withModulePreloads(page: string, modules: ReadonlyMap<string, string>): string {
  const script = MODULE_SCRIPT.exec(page);
  if (script === null) return page;
  const [tag, first] = script;
  const links = importedModules(first, modules).map((path) => `<link rel="modulepreload" href="${path}" />\n    `);
  return page.replace(tag, () => `${links.join('')}${tag}`);
}

/** All that a module needs, itself not. What is not among `modules` is left out. */
function importedModules(first: string, modules: ReadonlyMap<string, string>): string[] {
  const found = new Set([first]);
  for (const path of found) {
    for (const [, , name] of (modules.get(path) ?? '').matchAll(IMPORT)) {
      const to = name.startsWith('/') ? name : posix.join(posix.dirname(path), name);
      if (modules.has(to)) found.add(to);
    }
  }
  found.delete(first);
  return [...found];
}
