// Runs before the first paint, so a remembered theme never flashes. A file, not an inline script:
// the server's content security policy allows scripts from its own origin only.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("fmi.theme");
  } catch {
    // Storage may be blocked: follow the system.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
