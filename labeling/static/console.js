// The console in the browser: keys press what they are printed on, and a decision brings the next case in place.
// Without this script every button still works as a plain form.

import { fetchAhead, forget, readyCase, takeReady } from "./ahead.js";
import { remindOfBreaks } from "./breaks.js";
import { clearDrafts, dropDraft, keepDraft, restoreDraft } from "./drafts.js";
import { bounces, keyOf, keysAreOn } from "./keys.js";
import { beatNow, keepLease } from "./lease.js";
import { isBusy, read, send } from "./live.js";
import { closePanel, enter, openPanel, pressedBy } from "./panels.js";
import { anyTicked, lacksReason, moveDigits, showGuideline, showTicked, writeNote } from "./picker.js";
import { lookWhile, switchView } from "./reading.js";
import { showSettings } from "./settings.js";
import { hush, say, tell } from "./telling.js";

const mainOf = (root = document) => root.querySelector("main");
let refreshing;

// The case goes only when the server has stored what was done with it.
function show(answer) {
  const stored = mainOf(answer.page)?.dataset.page !== "login";
  if (stored && answer.left && !answer.left.held) dropDraft(answer.left.main);
  if (!answer.next) return put(answer);
  const ready = takeReady(answer);
  if (ready) put(ready);
  else location.assign(`${document.body.dataset.base}/cases/${answer.next}`);
}

function put({ page, address }) {
  const next = mainOf(page);
  if (next.dataset.page === "login") return location.assign(address);
  document.querySelector("header").replaceWith(page.querySelector("header"));
  mainOf().replaceWith(next);
  document.title = page.title;
  history.replaceState(null, "", address);
  scrollTo(0, 0);
  begin();
  const heading = next.querySelector("#start") ?? next.querySelector("h1");
  heading?.focus({ preventScroll: true });
  say(`${page.title}: ${next.querySelector("h1")?.textContent.trim()}`);
}

function begin() {
  const main = mainOf();
  restoreDraft(main);
  keepLease(main, lose);
  showTicked();
  forget();
  if (main.dataset.page === "case") requestAnimationFrame(() => setTimeout(() => main.isConnected && fetchAhead(main)));
  clearInterval(refreshing);
  if (main.dataset.refreshMs) refreshing = setInterval(refresh, Number(main.dataset.refreshMs));
}

// Somebody else has the case: it can be read, but no longer decided.
function lose() {
  forget();
  tell("A colleague has taken over this case, or decided it. You can go on with the next one.");
  for (const button of document.querySelectorAll(".decisive button, .release button")) button.disabled = true;
  for (const panel of document.querySelectorAll(".panel")) Object.assign(panel, { open: false, inert: true });
  const state = document.querySelector(".lease-state");
  state.textContent = "Not with you any more";
  state.hidden = false;
  const onward = document.querySelector(".onward");
  onward.hidden = false;
  onward.querySelector("button").focus();
}

async function refresh() {
  if (document.visibilityState !== "visible" || isBusy()) return;
  try {
    const again = new URL(location.href);
    again.searchParams.set("refresh", "");
    const { ok, page, address } = await read(again);
    const [now, next] = [mainOf(), mainOf(page)];
    if (!ok || isBusy() || now.dataset.page !== "queue") return;
    hush("refresh");
    if (next.dataset.page === "login") return location.assign(address);
    if (next.innerHTML === now.innerHTML) return;
    const focused = document.activeElement?.id;
    now.replaceWith(next);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  } catch {
    tell("No connection to the server. These numbers may be old.", "refresh");
  }
}

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (form.classList.contains("account")) clearDrafts({ all: true });
  if (form.dataset.live === undefined) return;
  event.preventDefault();
  if (submitter?.value === "violation" && !anyTicked()) {
    tell("Tick a policy first: press its digit, then v.");
    return;
  }
  if (submitter?.value === "violation" && lacksReason()) {
    tell("This needs a reason: write it into the note, leave it with Esc, then press v again.");
    writeNote();
    return;
  }
  const left = { main: mainOf(), held: form.closest("#panel-hold") !== null };
  const status = await send(form, submitter, (answer) => show({ ...answer, left: leaves(form) ? left : null }), { ready: readyCase() });
  if (status === 409 && form.closest("main.case") && leaves(form)) lose();
});

// Whether a form ends the work on the case that is on the screen.
const leaves = (form) => form.id === "decide" || form.closest(".panel, .release") !== null;

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    if (event.target.matches?.("textarea")) event.target.blur();
    else if (closePanel()) keepDraft(mainOf());
    return;
  }
  const key = keyOf(event);
  if (key === null || (!openPanel() && lookWhile(key))) return;
  const button = pressedBy(key);
  if (!button) return;
  event.preventDefault();
  if (isBusy() || bounces(key, event)) return;
  button.click();
  // At once, and not when the browser tells of it: what is typed next belongs into the field.
  if (button.matches("summary") && button.parentElement.open) enter(button.parentElement);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-opens], [data-key='0'], [data-key='t'], [data-key='/']");
  if (!button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (button.dataset.opens) document.getElementById(button.dataset.opens).showModal();
  else if (button.dataset.key === "0") moveDigits();
  else if (button.dataset.key === "t") {
    event.preventDefault();
    switchView(button);
  } else if (button.dataset.key === "/" && document.getElementById("q")) {
    event.preventDefault();
    document.getElementById("q").focus();
  }
});

document.addEventListener("change", (event) => {
  if (!event.target.matches(".picker input")) return;
  hush("request");
  showTicked();
  showGuideline(event.target);
});
for (const change of ["change", "input"]) document.addEventListener(change, () => keepDraft(mainOf()));
document.addEventListener("toggle", ({ target }) => target.isConnected && target.matches?.(".panel") && keepDraft(mainOf()), true);

addEventListener("online", beatNow);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && beatNow());
addEventListener("fairstall:setting", showKeys);

function showKeys() {
  document.documentElement.classList.toggle("with-keys", keysAreOn());
}

document.documentElement.classList.add("with-scripts");
showKeys();
showSettings();
clearDrafts();
begin();
remindOfBreaks();
