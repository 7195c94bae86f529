// Reminds of a break after a time of work without one. It makes no sound, takes no focus, and is easy to send away.

import { setting } from "./settings.js";

const MINUTE_MS = 60 * 1000;
const A_BREAK_MS = 5 * MINUTE_MS;
const LATER_MS = 10 * MINUTE_MS;
const LOOK_EVERY_MS = 15 * 1000;
const STATE = "fairstall.work";

/** Look from time to time, and at each key or movement, how long somebody has worked. `now` in milliseconds. */
export function remindOfBreaks(now = Date.now) {
  const bar = document.getElementById("break");
  if (!bar) return;
  for (const sign of ["keydown", "pointerdown", "wheel"]) addEventListener(sign, () => work(now()), { passive: true });
  setInterval(() => show(bar, now()), LOOK_EVERY_MS);
  bar.addEventListener("click", ({ target }) => {
    const choice = target.dataset.break;
    if (!choice) return;
    const worked = state();
    keep({ ...worked, quietUntil: choice === "later" ? now() + LATER_MS : Infinity });
    bar.hidden = true;
  });
  show(bar, now());
}

// A pause of five minutes is a break: the count begins anew.
function work(at) {
  const { last = 0, since = at, quietUntil = 0 } = state();
  const rested = at - last > A_BREAK_MS;
  keep(rested ? { since: at, last: at, quietUntil: 0 } : { since, last: at, quietUntil });
}

function show(bar, at) {
  const { last = 0, since = at, quietUntil } = state();
  const after = Number(setting("breakMinutes")) * MINUTE_MS;
  const due = after > 0 && at - last <= A_BREAK_MS && at - since >= after && quietUntil !== null && at >= quietUntil;
  if (due && bar.hidden) {
    bar.querySelector("p").textContent = `You have worked for ${Math.floor((at - since) / MINUTE_MS)} minutes. A few minutes away from the screen do good.`;
  }
  bar.hidden = !due;
}

// In the session's storage, which a reload keeps; Infinity becomes null there.
const keep = (worked) => sessionStorage.setItem(STATE, JSON.stringify(worked));

function state() {
  return JSON.parse(sessionStorage.getItem(STATE) ?? "{}");
}
