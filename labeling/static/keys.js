// Which key a keyboard event stands for, if any. What a key does is written on the element that carries it, in data-key.

const TYPING = "textarea, select, [contenteditable], input:not([type=checkbox]):not([type=radio])";
const ONE_PRESS_MS = 200;
const DECIDES = "vcsu";

let last = { key: null, at: -Infinity };

/** The key, or null while somebody types, holds a key down, uses a modifier, or has a dialog open. */
export function keyOf(event) {
  if (event.defaultPrevented || event.repeat || event.isComposing) return null;
  if (event.ctrlKey || event.altKey || event.metaKey || event.getModifierState("AltGraph")) return null;
  if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return null;
  return character(event);
}

/** Whether this press is the bounce of the one before: the next case would be decided by somebody who has not seen it. */
export function bounces(key, event) {
  const again = key === last.key && event.timeStamp - last.at < ONE_PRESS_MS;
  last = { key, at: event.timeStamp };
  return again && DECIDES.includes(key);
}

function character(event) {
  if (/^[0-9]$/.test(event.key)) return event.key;
  // Keyboards whose digits need Shift, such as the French one.
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
  if (digit && !event.shiftKey) return digit[1];
  if (event.key === "?") return "?";
  return event.key.length === 1 && !event.shiftKey ? event.key.toLowerCase() : null;
}
