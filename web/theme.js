// @ts-check
/** Dark or light, before the first picture: what somebody chose on this machine, else what the system has. A script of its own, because modules come later. */
(() => {
  const lightScheme = matchMedia('(prefers-color-scheme: light)');

  function chosen() {
    try {
      return localStorage.getItem('seg.theme');
    } catch {
      return null;
    }
  }

  function apply() {
    const choice = chosen();
    document.documentElement.dataset.theme = choice === 'light' || choice === 'dark' ? choice : lightScheme.matches ? 'light' : 'dark';
    dispatchEvent(new Event('seg-themed'));
  }

  lightScheme.addEventListener('change', apply);
  addEventListener('storage', apply);
  addEventListener('seg-theme-chosen', apply);
  apply();
})();
