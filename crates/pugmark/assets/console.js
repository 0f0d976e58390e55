// Keeps the parts marked with data-refresh current. Without this script the page is the same, as of its loading.
const PAUSE = 3000;

async function refresh(part) {
  const response = await fetch(part.dataset.refresh, { headers: { accept: "text/html" } });
  if (response.ok) {
    const html = await response.text();
    // Replacing equal content would make screen readers speak again.
    if (part.dataset.last !== html) {
      part.innerHTML = html;
      part.dataset.last = html;
    }
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) {
  setInterval(() => {
    if (!document.hidden) refresh(part).catch(() => {});
  }, PAUSE);
}
