// Keeps the case on the screen with the person who looks at it, as long as somebody does, and the next one with it.

import { keepReady } from "./ahead.js";
import { beat, isBusy } from "./live.js";
import { hush, tell } from "./telling.js";

const IDLE_MS = 10 * 60 * 1000;

let timer;
let untouched = false;
let until = 0;
let onScreen = null;
let onLost = null;
let lastSeen = Date.now();

for (const sign of ["keydown", "pointermove", "pointerdown", "wheel", "touchstart"]) {
  addEventListener(sign, seen, { passive: true });
}

/** Renew the lease of `main` from time to time; `lost` is called once when somebody else has the case. */
export function keepLease(main, lost) {
  clearInterval(timer);
  const isCase = main.dataset.page === "case";
  [onScreen, onLost, untouched] = [isCase ? main : null, lost, isCase];
  if (!isCase) return;
  until = Date.now() + Number(main.dataset.leaseMs);
  timer = setInterval(beatNow, Number(main.dataset.heartbeatMs));
}

/** Renew now: after the connection or the computer was away. */
export async function beatNow() {
  if (onScreen === null || Date.now() - lastSeen > IDLE_MS) return;
  if (await renew("heartbeat")) keepReady(onScreen).catch(() => {});
}

function seen() {
  lastSeen = Date.now();
  if (!untouched) return;
  untouched = false;
  // After the event: the key that decides the case needs no word about it, and the line for itself.
  setTimeout(() => renew("touch"));
}

/** Send a sign of life for the case on the screen. Whether it is still the user's. What is answered while a form is on its
 * way, or about a page that is gone, says nothing. */
async function renew(sign) {
  const main = onScreen;
  if (main === null || isBusy()) return false;
  let response;
  try {
    response = await beat(main.dataset.address, main.dataset.csrf, sign);
  } catch {
    if (main === onScreen) tell(`The connection is lost. Nothing that you press now is stored: press again when it is back. ${remaining()}`, "lease");
    return false;
  }
  if (main !== onScreen || isBusy()) return false;
  if (response.status === 204) {
    until = Date.now() + Number(main.dataset.leaseMs);
    hush("lease");
    return true;
  }
  if (response.redirected) {
    tell("You were logged out. Reload the page to log in again.", "lease");
    return false;
  }
  clearInterval(timer);
  if (response.status === 409) onLost();
  else tell("The server cannot keep this case for you at the moment.", "lease");
  return false;
}

function remaining() {
  const at = new Date(until).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return Date.now() < until
    ? `The case stays yours until ${at}.`
    : `The case was yours until ${at}; if nobody has taken it, you can still decide it.`;
}
