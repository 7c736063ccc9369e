// Shows whom a rule means as it is written: sends the form as its buttons do, and puts what comes back in its place.
// Without this script every button does the same with a whole page.
const form = document.querySelector("form[data-live]");
const WAIT = 500;
let waiting, asked;

const PREVIEW = ["text", "preview"], ALL = ["tree", ...PREVIEW];

async function live(parts, extra = {}) {
  asked?.abort();
  const asking = (asked = new AbortController());
  const sent = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries({ live: parts === ALL ? "all" : "preview", ...extra })) sent.set(name, value);
  form.querySelector("#preview").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body: sent, signal: asking.signal });
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    // A session that has ended leads to another page.
    if (!answer.ok || !found.getElementById("preview")) throw new Error(answer.status);
    put(found, parts, sent);
    say("failed", "");
    say("told", form.querySelector("#preview").dataset.said);
  } catch (error) {
    if (error.name === "AbortError") return; // a later key has asked anew
    form.querySelector("#preview").removeAttribute("aria-busy");
    say("failed", form.dataset.failed);
  }
}

// What is read aloud changes its text alone, and only where there is something else to say.
function say(id, text) {
  const spoken = form.querySelector(`#${id}`);
  if (spoken.textContent !== text) spoken.textContent = text;
}

function put(found, parts, sent) {
  const focused = document.activeElement, again = place(focused);
  // What was typed meanwhile is newer than what was sent.
  const typed = focused.name && focused.type !== "checkbox" && !sent.getAll(focused.name).includes(focused.value);
  for (const id of parts) {
    const fresh = found.getElementById(id);
    if (fresh) form.querySelector(`#${id}`).replaceWith(fresh);
  }
  if (focused.isConnected) return;
  const next = again.map((where) => form.querySelector(where)).find(Boolean);
  if (typed && next?.name === focused.name) next.value = focused.value;
  next?.focus();
  if (focused.selectionStart != null && next?.setSelectionRange) next.setSelectionRange(focused.selectionStart, focused.selectionEnd);
}

// Where the focus goes on, the best first: a button that took its own row away leaves it to the group around.
function place(element) {
  if (element.id) return [`#${CSS.escape(element.id)}`];
  if (element.name !== "do") return [];
  const around = element.value.replace(/^drop /, "").replace(/\.\d+$/, "");
  return [`button[value="${CSS.escape(element.value)}"]`, `button[value="add ${CSS.escape(around)}"]`, 'button[value="add r"]'];
}

const typing = (event) => event.target.id === "rule-text" || event.target.name in { name: 1, slug: 1, description: 1 };

if (form) {
  form.addEventListener("input", (event) => {
    if (typing(event) || "shapes" in event.target.dataset) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => live(PREVIEW), WAIT);
  });
  form.addEventListener("change", (event) => {
    if (!("shapes" in event.target.dataset)) return;
    clearTimeout(waiting);
    live(ALL);
  });
  form.addEventListener("submit", (event) => {
    const pressed = event.submitter;
    if (!pressed || ["save", "review"].includes(pressed.value)) return;
    event.preventDefault();
    clearTimeout(waiting);
    live(ALL, { do: pressed.value });
  });
}
