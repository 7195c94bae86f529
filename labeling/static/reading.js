// How the listing is looked at: as a buyer sees it or as raw text, and blurred or not.

import { read } from "./live.js";
import { tell } from "./telling.js";

const views = new WeakMap();

/** Swap the listing for its other view. Both are kept as long as the case is on the screen. */
export async function switchView(link) {
  const shown = link.closest(".listing");
  const kept = views.get(shown);
  if (kept) return put(shown, kept);
  try {
    const { ok, page } = await read(link.href);
    const other = page.querySelector(".listing");
    if (!ok || !other || !shown.isConnected) return;
    views.set(shown, other);
    views.set(other, shown);
    put(shown, other);
  } catch {
    tell("No answer from the server: the other view cannot be shown now.");
  }
}

function put(shown, other) {
  const reveal = shown.querySelector(".reveal input");
  shown.replaceWith(other);
  if (reveal) other.querySelector(".reveal input").checked = reveal.checked;
  other.querySelector(".other-view").focus({ preventScroll: true });
}

let held = null;

/** Show a blurred text until the key is let go. Whether there is one. */
export function lookWhile(key) {
  const main = document.querySelector("main.veiled");
  if (!main || key !== "l") return false;
  held = key;
  main.classList.add("looking");
  return true;
}

function letGo() {
  held = null;
  document.querySelector("main.looking")?.classList.remove("looking");
}

addEventListener("keyup", (event) => event.key.toLowerCase() === held && letGo());
addEventListener("blur", letGo);
