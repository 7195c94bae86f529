// What somebody has written and ticked on a case before deciding it, kept in this browser: it survives a reload and a
// crash. A draft belongs to one person and one case, and goes when the case does.

const PREFIX = "fairstall.draft.";
const KEPT_MS = 48 * 60 * 60 * 1000;

const prefix = () => `${PREFIX}${document.body.dataset.user}.`;
const keyOf = (main) => prefix() + main.dataset.case;
const fields = (main) => [...main.querySelectorAll("[data-draft]")];
const boxes = (main) => [...main.querySelectorAll(".picker input[type=checkbox]:not(:disabled)")];

export function keepDraft(main) {
  if (main.dataset.page !== "case") return;
  const draft = {
    at: Date.now(),
    ticked: boxes(main).filter((box) => box.checked).map((box) => box.value),
    texts: Object.fromEntries(fields(main).map((field) => [field.dataset.draft, field.value])),
    open: main.querySelector("details[data-panel][open]")?.id ?? "",
  };
  try {
    localStorage.setItem(keyOf(main), JSON.stringify(draft));
  } catch {
    // Storage is full or forbidden: there is no draft then, and nothing else is lost.
  }
}

/** Put the draft of the case on the screen back into its fields, if there is one. */
export function restoreDraft(main) {
  if (main.dataset.page !== "case") return;
  const draft = parse(localStorage.getItem(keyOf(main)));
  if (!draft) return;
  for (const box of boxes(main)) box.checked = draft.ticked.includes(box.value);
  for (const field of fields(main)) field.value = draft.texts[field.dataset.draft] ?? "";
  if (draft.texts.note) main.querySelector(".note").open = true;
  const panel = draft.open && main.querySelector(`#${CSS.escape(draft.open)}`);
  if (panel) panel.open = true;
}

export const dropDraft = (main) => main.dataset.case && localStorage.removeItem(keyOf(main));

/** Drop the drafts of cases that are long gone, or with `all` every draft of this person. */
export function clearDrafts({ all = false } = {}) {
  const own = Object.keys(localStorage).filter((key) => key.startsWith(all ? prefix() : PREFIX));
  for (const key of own) {
    const draft = parse(localStorage.getItem(key));
    if (all || !draft || Date.now() - draft.at > KEPT_MS) localStorage.removeItem(key);
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
