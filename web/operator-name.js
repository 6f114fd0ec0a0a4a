// @ts-check
/** The name under which somebody does something in an engine without accounts, which know no names. */

/** Where the browser keeps the name of who sits in front of it. */
const NAME_KEY = 'seg.operator';

/** Browsers that keep nothing ask anew each time. */
export function rememberedName() {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return '';
  }
}

/** @param {string} name */
export function rememberName(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // It is asked for again.
  }
}
