// Keeps the parts marked with data-refresh current, and says when it cannot. Without this script the page is the same, as of
// its loading, and every form and link works.
const PAUSE = 3000;
const LONGEST_PAUSE = 30000;

const clock = (date) => date.toLocaleTimeString("en-GB");

// The line over a part that says since when it is not current. It is there from the start, so that screen readers watch it.
function lineFor(part) {
  const line = document.createElement("p");
  line.className = "stale-line";
  line.setAttribute("role", "status");
  part.before(line);
  return line;
}

// Whoever reads, types, has ticked or opened something in this part keeps it as it is.
function isInUse(part) {
  const active = document.activeElement;
  const typing = active && part.contains(active) && active.matches("input, select, textarea");
  const selected = document.getSelection();
  const selecting = selected && !selected.isCollapsed && part.contains(selected.anchorNode);
  return typing || selecting || part.querySelector("dialog[open], details[data-keep][open], input[type=checkbox]:checked") !== null;
}

// What a part wants spoken when it changes stands in an element of its own: whole parts would be read aloud every time.
const speaker = document.createElement("p");
speaker.className = "only-read";
speaker.setAttribute("role", "status");
document.body.append(speaker);

// Replacing equal content would make screen readers speak again. Focus stays on the element with the same id or address.
function put(part, html) {
  if (part.dataset.last === html) return;
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const again = active && (active.id ? `#${CSS.escape(active.id)}` : active.getAttribute("href") && `a[href="${CSS.escape(active.getAttribute("href"))}"]`);
  const before = part.querySelector("[data-say]")?.textContent;
  part.innerHTML = html;
  part.dataset.last = html;
  const after = part.querySelector("[data-say]")?.textContent;
  if (after && before !== after) speaker.textContent = after;
  if (again) part.querySelector(again)?.focus();
}

function keepCurrent(part) {
  const line = lineFor(part);
  let asOf = new Date();
  let pause = PAUSE;

  const say = (text, link) => {
    part.classList.toggle("stale", text !== "");
    if (line.dataset.said === text) return;
    line.dataset.said = text;
    line.textContent = text;
    if (link) line.append(" ", link);
  };
  const dead = () => say(`Not current since ${clock(asOf)}; trying again.`);
  const signedOut = () => {
    const link = document.createElement("a");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in";
    say(`Not current since ${clock(asOf)}: you are signed out.`, link);
  };

  async function refresh() {
    const response = await fetch(part.dataset.refresh, {
      headers: { accept: "text/html" },
      redirect: "error",
      signal: AbortSignal.timeout(15000),
    });
    if (response.status === 401) return signedOut();
    if (!response.ok) throw new Error(String(response.status));
    const html = await response.text();
    asOf = new Date();
    say("");
    put(part, html);
  }

  async function loop() {
    if (!document.hidden && !isInUse(part)) {
      try {
        await refresh();
        pause = PAUSE;
      } catch {
        dead();
        pause = Math.min(pause * 1.5, LONGEST_PAUSE);
      }
    }
    setTimeout(loop, pause);
  }
  setTimeout(loop, pause);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - asOf.getTime() > PAUSE * 2) refresh().catch(dead);
  });
}

for (const part of document.querySelectorAll("[data-refresh]")) keepCurrent(part);

// Dialogs: a button that names one opens it; without this script the same form stands in a <details>.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.opens);
    if (dialog?.showModal) {
      event.preventDefault();
      dialog.showModal();
    }
  }
  if (event.target.closest("[data-closes]")) event.target.closest("dialog")?.close();
});

// Escape puts away what a badge tells, until it is pointed at or focused anew.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const tip of document.querySelectorAll(".tip-of:hover, .tip-of:focus-within")) tip.classList.add("put-away");
});
for (const again of ["focusout", "mouseout"]) {
  document.addEventListener(again, (event) => event.target.closest?.(".tip-of")?.classList.remove("put-away"));
}

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Times stand in the page as UTC; the title adds the reader's own.
for (const time of document.querySelectorAll("time[datetime]")) {
  const date = new Date(time.dateTime);
  if (!time.title && !Number.isNaN(date.getTime())) time.title = date.toLocaleString("en-GB");
}
