// @ts-check
// A plain script in the head, not a module: the theme that was chosen has to be there before anything is painted.

(() => {
  const KEY = 'crossrank-theme';
  const THEMES = ['system', 'light', 'dark'];
  const root = document.documentElement;

  /** Storage may be switched off; the page then follows the system. */
  function stored() {
    try {
      return localStorage.getItem(KEY) ?? 'system';
    } catch {
      return 'system';
    }
  }

  /** @param {string} theme */
  function apply(theme) {
    if (theme === 'system') root.removeAttribute('data-theme');
    else root.dataset.theme = theme;
  }

  let theme = THEMES.includes(stored()) ? stored() : 'system';
  apply(theme);

  document.addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    if (button === null) return;
    const show = () => {
      button.textContent = `Theme: ${theme}`;
    };
    show();
    button.addEventListener('click', () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
      apply(theme);
      show();
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // It holds until the page is closed.
      }
    });
  });
})();
