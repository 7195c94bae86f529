// The console in the browser: keys press what they are printed on, and a decision brings the next case in place.
// Without this script every button still works as a plain form.

import { bounces, keyOf } from "./keys.js";
import { beatNow, keepLease } from "./lease.js";
import { isBusy, read, send } from "./live.js";
import { anyTicked, moveDigits, showGuideline, showTicked } from "./picker.js";
import { hush, say, tell } from "./telling.js";

const mainOf = (root = document) => root.querySelector("main");
let refreshing;

function show({ page, address }) {
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
  keepLease(main, lose);
  showTicked();
  clearInterval(refreshing);
  if (main.dataset.refreshMs) refreshing = setInterval(refresh, Number(main.dataset.refreshMs));
}

// Somebody else has the case: it can be read, but no longer decided.
function lose() {
  tell("A colleague has taken over this case, or decided it. You can go on with the next one.");
  for (const button of document.querySelectorAll(".decisive button, .lesser [formaction]")) button.disabled = true;
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
  if (form.dataset.live === undefined) return;
  event.preventDefault();
  if (submitter?.value === "violation" && !anyTicked()) {
    tell("Tick a policy first: press its digit, then v.");
    return;
  }
  const status = await send(form, submitter, show);
  if (status === 409 && form.id === "decide") lose();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.("textarea")) return event.target.blur();
  const key = keyOf(event);
  if (key === null) return;
  const button = document.querySelector(`[data-key="${CSS.escape(key)}"]:not(:disabled)`);
  if (!button || button.closest("[hidden]")) return;
  event.preventDefault();
  if (!isBusy() && !bounces(key, event)) button.click();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-opens], [data-key='0'], summary[data-key]");
  if (!button) return;
  if (button.dataset.opens) document.getElementById(button.dataset.opens).showModal();
  else if (button.dataset.key === "0") moveDigits();
  else if (!button.parentElement.open) requestAnimationFrame(() => button.parentElement.querySelector("textarea").focus());
});

document.addEventListener("change", (event) => {
  if (!event.target.matches(".picker input")) return;
  hush("request");
  showTicked();
  showGuideline(event.target);
});

addEventListener("online", () => beatNow(mainOf(), lose));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") beatNow(mainOf(), lose);
});

document.documentElement.classList.add("with-keys");
begin();
