// Which key a keyboard event stands for, if any. What a key does is written on the element that carries it, in data-key.

import { setting } from "./settings.js";

const TYPING = "textarea, select, [contenteditable], input:not([type=checkbox]):not([type=radio])";
const ONE_PRESS_MS = 200;

let last = { key: null, at: -Infinity };

export const keysAreOn = () => setting("keys") === "on";

/** The key, or null while somebody types, holds a key down, uses a modifier, has a dialog open, or wants no keys. */
export function keyOf(event) {
  if (event.defaultPrevented || event.repeat || event.isComposing) return null;
  if (event.ctrlKey || event.altKey || event.metaKey || event.getModifierState("AltGraph")) return null;
  if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return null;
  if (!keysAreOn()) return null;
  return character(event);
}

/** Whether this press is the bounce of the one before: it would act on a case that nobody has seen yet. */
export function bounces(key, event) {
  const again = key === last.key && event.timeStamp - last.at < ONE_PRESS_MS;
  last = { key, at: event.timeStamp };
  return again;
}

function character(event) {
  if (/^[0-9]$/.test(event.key)) return event.key;
  // Keyboards whose digits need Shift, such as the French one.
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
  if (digit && !event.shiftKey) return digit[1];
  if (event.key === "?" || event.key === "/") return event.key;
  return event.key.length === 1 && !event.shiftKey ? event.key.toLowerCase() : null;
}
