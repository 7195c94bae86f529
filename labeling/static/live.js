// Forms sent without leaving the page: what the server answers takes the place of what is shown. Nothing is kept for later.

import { hush, tell } from "./telling.js";

const ANSWER_MS = 15000;
const NO_ANSWER =
  "No answer from the server. Nothing is waiting to be sent: look at your connection and press again. It cannot count twice.";

let busy = false;

export const isBusy = () => busy;

/** Send a form and show the page that follows. Returns the status, or null without an answer. */
export async function send(form, submitter, show) {
  if (busy) return null;
  busy = true;
  try {
    const body = new URLSearchParams(new FormData(form, submitter));
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

/** Fetch a page: its status, where it came from, and the parsed document. Throws without an answer. */
export async function read(address, options = {}) {
  const response = await fetch(address, { ...options, signal: AbortSignal.timeout(ANSWER_MS) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return { ok: response.ok, status: response.status, address: response.url, page };
}
