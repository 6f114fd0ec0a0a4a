// @ts-check

const STEPS = /** @type {Record<string, (at: number, count: number) => number>} */ ({
  ArrowDown: (at, count) => Math.min(count - 1, at + 1),
  ArrowUp: (at) => Math.max(0, at - 1),
  Home: () => 0,
  End: (_at, count) => count - 1,
});

/** Properties of a list whose links or buttons are walked with the arrow keys; each is reached with Tab as well. */
export function useListKeys() {
  return {
    onKeyDown: (/** @type {KeyboardEvent} */ event) => {
      const list = /** @type {HTMLElement} */ (event.currentTarget);
      if (!Object.hasOwn(STEPS, event.key)) return;
      const stops = [...list.querySelectorAll('a, button')].filter((stop) => !stop.hasAttribute('disabled'));
      const at = stops.indexOf(/** @type {Element} */ (document.activeElement));
      if (at < 0) return;
      event.preventDefault();
      /** @type {HTMLElement} */ (stops[STEPS[event.key](at, stops.length)]).focus();
    },
  };
}
