// The case after the one on the screen, kept ready: asked for while somebody reads, shown when the server confirms it.

import { beat, read } from "./live.js";

let ready = null;
let wanted = 0;

/** The id of the case that is kept ready, or nothing. */
export const readyCase = () => ready?.id ?? "";

export const forget = () => {
  ready = null;
  wanted += 1;
};

/** Ask for the case after the one on the screen. Without an answer nothing is kept, and the next one is fetched later. */
export async function fetchAhead(main) {
  forget();
  const turn = wanted;
  try {
    const body = new URLSearchParams({ csrf: main.dataset.csrf });
    const answer = await read(`${main.dataset.address}/ahead`, { method: "POST", body });
    const next = answer.page.querySelector("main");
    if (turn !== wanted || answer.status !== 200 || next?.dataset.page !== "case") return;
    ready = { id: next.dataset.case, page: answer.page, address: next.dataset.address, csrf: next.dataset.csrf };
  } catch {
    // The decision then leads to the next case by itself.
  }
}

/** Renew the lease of the case that is kept ready; when somebody else has it, or none was there, ask again. */
export async function keepReady(main) {
  const kept = ready;
  if (kept === null) return fetchAhead(main);
  if ((await beat(kept.address, kept.csrf)).status === 409 && ready === kept) await fetchAhead(main);
}

/** The page kept ready, brought up to date with what the server answered; null when it is another case's. */
export function takeReady(answer) {
  if (ready === null || ready.id !== answer.next) return null;
  const { page, address } = ready;
  page.getElementById("undo").replaceWith(answer.page.getElementById("undo"));
  forget();
  return { page, address: new URL(address, location.href).href };
}
