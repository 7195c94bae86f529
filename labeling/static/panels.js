// Forms that open over their button: one at a time, with the keys to themselves, closed by Esc.

const PANEL = "details[data-panel]";

export const openPanel = () => document.querySelector(`${PANEL}[open]`);

/** The element that a key presses: in the open panel if there is one, otherwise outside of all. */
export function pressedBy(key) {
  const panel = openPanel();
  const named = (panel ?? document).querySelectorAll(`[data-key="${CSS.escape(key)}"]`);
  return [...named].find((one) => !one.disabled && !one.closest("[hidden], [inert]") && (panel || !insidePanel(one)));
}

/** Close the open panel and give the focus back to its button. */
export function closePanel() {
  const panel = openPanel();
  if (!panel) return false;
  panel.open = false;
  panel.querySelector("summary").focus();
  return true;
}

// It does not bubble, but it can be captured.
document.addEventListener("toggle", ({ target }) => {
  if (!target.matches?.(PANEL) || !target.open) return;
  for (const other of document.querySelectorAll(`${PANEL}[open]`)) if (other !== target) other.open = false;
  enter(target);
}, true);

/** Go to the first field of what was just opened, unless somebody who types fast is inside already. */
export function enter(details) {
  const focused = document.activeElement;
  if (details.contains(focused) && !focused.matches("summary")) return;
  details.querySelector("input:not([type=hidden]), textarea, form button")?.focus();
}

document.addEventListener("pointerdown", ({ target }) => {
  const panel = openPanel();
  if (panel && !panel.contains(target)) panel.open = false;
});

function insidePanel(element) {
  const panel = element.closest(PANEL);
  return panel !== null && element.tagName !== "SUMMARY";
}
