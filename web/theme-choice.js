// @ts-check
/** Which theme somebody wants; theme.js does it. */

/** @typedef {'auto' | 'dark' | 'light'} Theme */

const KEY = 'seg.theme';

/** @returns {Theme} */
export function chosenTheme() {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'dark' || kept === 'light' ? kept : 'auto';
  } catch {
    return 'auto';
  }
}

/** @param {Theme} theme */
export function chooseTheme(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A browser that keeps nothing follows the system.
  }
  dispatchEvent(new Event('seg-theme-chosen'));
}
