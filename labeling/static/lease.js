// Keeps the case on the screen with the person who looks at it, as long as somebody does.

import { hush, tell } from "./telling.js";

const IDLE_MS = 10 * 60 * 1000;
const ANSWER_MS = 10000;

let timer;
let lastSeen = Date.now();

for (const sign of ["keydown", "pointermove", "pointerdown", "wheel", "touchstart"]) {
  addEventListener(sign, () => (lastSeen = Date.now()), { passive: true });
}

/** Renew the lease of `main` from time to time; `lost` is called once when somebody else has the case. */
export function keepLease(main, lost) {
  clearInterval(timer);
  if (!main.dataset.heartbeat) return;
  timer = setInterval(() => beat(main, lost), Number(main.dataset.heartbeatMs));
}

/** Renew now: after the connection or the computer was away. */
export const beatNow = (main, lost) => main.dataset.heartbeat && beat(main, lost);

async function beat(main, lost) {
  if (Date.now() - lastSeen > IDLE_MS) return;
  let response;
  try {
    response = await fetch(main.dataset.heartbeat, {
      method: "POST",
      headers: { "X-CSRF-Token": main.dataset.csrf },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch {
    if (main.isConnected) tell("The connection is lost. Nothing that you press now is stored.", "lease");
    return;
  }
  if (!main.isConnected) return;
  if (response.status === 204) return hush("lease");
  if (response.redirected) return tell("You were logged out. Reload the page to log in again.", "lease");
  clearInterval(timer);
  if (response.status === 409) lost();
  else tell("The server cannot keep this case for you at the moment.", "lease");
}
