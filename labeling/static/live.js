// Requests that leave the page where it is: forms, pages, signs of life. Nothing is kept for later.

import { hush, tell } from "./telling.js";

const ANSWER_MS = 15000;
const BEAT_MS = 10000;
const NO_ANSWER =
  "No answer from the server. Nothing is waiting to be sent: look at your connection and press again. It cannot count twice.";

let busy = false;

export const isBusy = () => busy;

/** Send a form, with more fields if given, and show what follows. Returns the status, or null without an answer. */
export async function send(form, submitter, show, more = {}) {
  if (busy) return null;
  busy = true;
  try {
    const body = new URLSearchParams([...new FormData(form, submitter), ...Object.entries(more)]);
    const address = submitter?.getAttribute("formaction") ?? form.getAttribute("action");
    const answer = await read(address, { method: "POST", body });
    if (answer.ok) {
      hush();
      show(answer);
    } else {
      tell(answer.page.querySelector("[data-message]")?.textContent ?? `The server answered with an error (${answer.status}).`);
    }
    return answer.status;
  } catch {
    tell(NO_ANSWER);
    return null;
  } finally {
    busy = false;
  }
}

/** Fetch a page: its status, its address, the parsed document, and the case that it names as the next. Throws without an answer. */
export async function read(address, options = {}) {
  const response = await fetch(address, { ...options, signal: AbortSignal.timeout(ANSWER_MS) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const next = response.headers.get("X-Next-Case");
  return { ok: response.ok, status: response.status, address: response.url, page, next };
}

/** Renew the lease of a case, or tell of the first work on it (`touch`). Throws without an answer. */
export const beat = (address, csrf, sign = "heartbeat") =>
  fetch(`${address}/${sign}`, {
    method: "POST",
    headers: { "X-CSRF-Token": csrf },
    signal: AbortSignal.timeout(BEAT_MS),
  });
