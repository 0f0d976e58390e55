// The onboarding page with script: drafts are saved while typing, mistakes are shown where they are, the IBAN is checked at once.
// Without it the same form is sent, checked by the server, and shown again with what is wrong. Nothing that was typed is kept in
// the browser itself: bank details would lie about on shared machines.

const DRAFT_AFTER = 800;
const RETRY_FIRST = 2000;
const RETRY_MOST = 30000;
const LOOK_AGAIN = 4000;

function begin(form) {
  const words = form.dataset;
  // Mistakes are listed with links instead of one bubble at a time.
  form.noValidate = true;
  for (const part of document.querySelectorAll(".live-only")) part.hidden = false;
  const draft = keepDraft(form, words);
  const review = () => { showProgress(form, words); showSummary(form, words); };
  for (const input of form.querySelectorAll("[data-kind=iban]")) liveIban(input, words);
  form.addEventListener("input", (event) => {
    if (event.target.getAttribute("aria-invalid")) judge(event.target, words, false);
    draft.changed();
    review();
  });
  form.addEventListener("focusout", (event) => {
    const input = event.target;
    if (input.matches("input, textarea, select") && input.value.trim()) judge(input, words, true);
  });
  send(form, words, draft);
  followSections(form);
  review();
  const problems = document.getElementById("problems");
  if (!problems.hidden) problems.focus();
}

const inputs = (form) => [...form.querySelectorAll("[data-field] input, [data-field] textarea, [data-field] select")];
const labelOf = (input) => document.querySelector(`label[for="${input.id}"]`);
const shortLabel = (input) => labelOf(input).firstChild.textContent.trim();

/* ---- drafts ---- */

function keepDraft(form, words) {
  const shown = document.getElementById("save");
  let version = 0, saved = 0, timer = null, wait = RETRY_FIRST, busy = false, over = false;

  const say = (is, text) => {
    shown.hidden = false;
    if (shown.dataset.is !== is || shown.textContent !== text) {
      shown.dataset.is = is;
      shown.textContent = text;
    }
  };
  const later = (after) => {
    clearTimeout(timer);
    timer = setTimeout(save, after);
  };
  const answers = () => Object.fromEntries(inputs(form).map((input) => [input.name, input.value]));

  async function save(keepalive = false) {
    if (over || saved === version || (busy && keepalive !== true)) return;
    busy = true;
    const sending = version;
    if (shown.dataset.is !== "unsaved") say("saving", words.saving);
    try {
      const response = await fetch(form.dataset.draft, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ answers: answers() }),
        keepalive: keepalive === true,
      });
      if (response.status === 410 || response.status === 403) {
        over = true;
        return say("unsaved", words.stale);
      }
      if (!response.ok) throw new Error(String(response.status));
      saved = sending;
      wait = RETRY_FIRST;
      const { savedAt } = await response.json();
      const time = new Date(savedAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      say("saved", words.saved.replace("{time}", time));
      if (saved !== version) later(DRAFT_AFTER);
    } catch {
      say("unsaved", words.unsaved);
      later(wait);
      wait = Math.min(wait * 2, RETRY_MOST);
    } finally {
      busy = false;
    }
  }

  window.addEventListener("online", () => { wait = RETRY_FIRST; later(0); });
  // A page that is put away may never run again.
  document.addEventListener("visibilitychange", () => { if (document.hidden) save(true); });
  window.addEventListener("beforeunload", (event) => {
    if (!over && saved !== version) event.preventDefault();
  });
  return {
    changed() { version += 1; later(Math.max(DRAFT_AFTER, shown.dataset.is === "unsaved" ? wait : 0)); },
    sent() { over = true; clearTimeout(timer); },
    again() { over = false; },
  };
}

/* ---- judging ---- */

// Says what is wrong with an input where it stands. `aloud` is false while somebody still types: then a mistake only goes away.
function judge(input, words, aloud) {
  const what = mistake(input, words);
  if (!what || aloud) mark(input, what);
  return what;
}

function mistake(input, words) {
  const text = input.value.trim();
  if (!text) return input.required ? words.needed : null;
  if (input.type === "email" && (input.validity.typeMismatch || !/@[^@]+\.[^@.]+$/.test(text))) return words.email;
  if (input.dataset.kind === "iban" && !ibanFits(text)) return compact(text).length < 15 ? words.short : words.iban;
  return null;
}

function mark(input, what) {
  const error = document.getElementById(`e-${input.name}`);
  input.closest("[data-field]").classList.toggle("wrong", Boolean(what));
  error.textContent = what ? `${shortLabel(input)} ${what}` : "";
  if (what) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

const inFours = (text) => compact(text).replace(/(.{4})(?=.)/g, "$1 ");
const compact = (text) => text.replace(/[\s-]/g, "").toUpperCase();

// ISO 13616: country and check digits behind the account, letters as 10 to 35, the remainder by 97 is 1.
function ibanFits(text) {
  const iban = compact(text);
  if (!/^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/.test(iban)) return false;
  let rest = 0;
  for (const letter of iban.slice(4) + iban.slice(0, 4)) {
    const value = parseInt(letter, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

function liveIban(input, words) {
  const good = document.getElementById(`g-${input.name}`);
  const look = () => {
    const fits = ibanFits(input.value);
    good.textContent = fits ? words.good : "";
    if (fits) mark(input, null);
  };
  input.addEventListener("input", look);
  input.addEventListener("blur", () => {
    input.value = inFours(input.value);
  });
  input.value = inFours(input.value);
  look();
}

/* ---- sending ---- */

function send(form, words, draft) {
  const button = document.getElementById("send");
  const unsent = document.getElementById("unsent");
  const label = button.textContent;
  let busy = false;
  const rest = () => {
    busy = false;
    button.removeAttribute("aria-disabled");
    button.textContent = label;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    const wrong = inputs(form).map((input) => [input, judge(input, words, true)]).filter(([, what]) => what);
    if (wrong.length) return listProblems(wrong);
    busy = true;
    button.setAttribute("aria-disabled", "true");
    button.textContent = words.sending;
    unsent.textContent = "";
    draft.sent();
    try {
      const body = new URLSearchParams(new FormData(form));
      const response = await fetch(form.action, { method: "POST", body });
      if (response.ok) return location.replace(response.url);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (response.status === 422) {
        // What the server has found; the inputs stay as they are.
        const found = [...page.querySelectorAll("[aria-invalid]")].map((input) => {
          const here = document.getElementById(input.id);
          const said = page.getElementById(`e-${input.name}`).textContent;
          return [here, said.slice(shortLabel(here).length).trim()];
        });
        for (const [input, what] of found) mark(input, what);
        listProblems(found);
      } else if (page.querySelector("main h1")) {
        unsent.textContent = `${page.querySelector("main h1").textContent}. ${words.unsent}`;
      } else {
        unsent.textContent = words.unsent;
      }
    } catch {
      unsent.textContent = words.unsent;
    }
    draft.again();
    draft.changed();
    rest();
  });
  // Coming back with the browser's own button.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

function listProblems(wrong) {
  const box = document.getElementById("problems");
  const list = box.querySelector("ul");
  list.replaceChildren(...wrong.map(([input, what]) => {
    const link = document.createElement("a");
    link.href = `#${input.id}`;
    link.textContent = `${labelOf(input).dataset.full} ${what}`;
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  box.hidden = false;
  box.focus();
  box.scrollIntoView({ block: "center" });
}

document.getElementById("problems")?.addEventListener("click", (event) => {
  const target = event.target.closest("a")?.hash;
  if (!target) return;
  event.preventDefault();
  const input = document.querySelector(target);
  input.focus({ preventScroll: true });
  input.closest("[data-field]").scrollIntoView({ block: "center" });
});

/* ---- where one is ---- */

function showProgress(form, words) {
  for (const section of form.querySelectorAll("[data-section]")) {
    const state = document.querySelector(`[data-state="${section.id}"]`);
    const all = inputs(section);
    const needed = all.filter((input) => input.required);
    const open = needed.filter((input) => mistake(input, words)).length;
    const wrong = all.some((input) => mistake(input, words));
    const complete = !wrong && all.some((input) => input.value.trim());
    state.textContent = open ? words.todo.replace("{count}", open) : complete ? words.done : "";
    state.closest("a").classList.toggle("complete", complete);
  }
}

function showSummary(form, words) {
  const summary = document.getElementById("summary");
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  summary.hidden = false;
  summary.replaceChildren(...[...form.querySelectorAll("[data-section]")].map((section) => {
    const part = element("section");
    const head = element("h3", section.querySelector("legend").textContent.trim());
    const edit = element("a", words.change);
    edit.href = `#${section.id}`;
    edit.setAttribute("aria-label", `${words.change}: ${head.textContent}`);
    head.append(edit);
    part.append(head);
    const lines = inputs(section).filter((input) => input.value.trim() || input.required);
    if (!lines.length) part.append(element("p", words.empty, "none"));
    const list = element("dl");
    for (const input of lines) {
      const line = element("div");
      const what = mistake(input, words);
      line.append(element("dt", labelOf(input).dataset.full));
      const shown = input.dataset.kind === "iban" ? inFours(input.value) : input.value;
      line.append(input.value.trim()
        ? element("dd", shown + (what ? ` – ${what}` : ""), what ? "missing" : "")
        : element("dd", words.needed, "missing"));
      list.append(line);
    }
    if (lines.length) part.append(list);
    return part;
  }));
}

function followSections(form) {
  const links = new Map([...document.querySelectorAll(".steps a")].map((link) => [link.hash.slice(1), link]));
  const parts = [...links.keys()].map((id) => document.getElementById(id));
  const follow = () => {
    const middle = window.innerHeight * 0.4;
    let here = parts[0];
    for (const part of parts) if (part.getBoundingClientRect().top < middle) here = part;
    for (const [id, link] of links) {
      if (id === here.id) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
  };
  let due = false;
  addEventListener("scroll", () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; follow(); });
  }, { passive: true });
  follow();
}

/* ---- after it was sent ---- */

async function lookAgain(part) {
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      const response = await fetch(part.dataset.refresh);
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const now = page.getElementById("done");
      if (!now) return;
      if (part.innerHTML !== now.innerHTML) part.replaceChildren(...now.childNodes);
      if (!now.dataset.refresh) {
        clearInterval(timer);
        document.title = page.title;
      }
    } catch {
      // The next look may succeed.
    }
  }, LOOK_AGAIN);
}

const form = document.getElementById("form");
const done = document.querySelector("[data-refresh]");
if (form) begin(form);
if (done) lookAgain(done);
