// The policy picker: which digits tick which policies, and what the violation button says it will record.

const NINE = 9;

const boxes = () => [...document.querySelectorAll(".picker input[type=checkbox]")];

/** The violation button names the ticked policies. */
export function showTicked() {
  const which = document.querySelector(".which");
  if (!which) return;
  const titles = boxes().filter((box) => box.checked).map((box) => box.dataset.title);
  which.textContent = titles.join(", ");
  which.closest("button").classList.toggle("undecided", titles.length === 0);
  const required = document.getElementById("reason-required");
  if (required) required.hidden = !needsReason();
}

export const anyTicked = () => boxes().some((box) => box.checked);

const needsReason = () => boxes().some((box) => box.checked && box.dataset.reason !== undefined);
const noteField = () => document.querySelector(".note textarea");

/** Whether a ticked policy requires a reason that is not written yet. */
export const lacksReason = () => needsReason() && !noteField().value.trim();

export function writeNote() {
  document.querySelector(".note").open = true;
  noteField().focus();
}

/** Bring the guideline of a policy that was just ticked to the top, open; close it when the policy is unticked. */
export function showGuideline(box) {
  const guideline = document.querySelector(`[data-policy="${CSS.escape(box.value)}"]`);
  if (!guideline) return;
  guideline.open = box.checked;
  if (box.checked) document.getElementById("guidelines-title").after(guideline);
}

/** The digits 1 to 9 go to the nine policies after those that have them now, and from the end back to the first. */
export function moveDigits() {
  const all = boxes();
  const first = all.findIndex((box) => box.dataset.key);
  const next = first + NINE < all.length ? first + NINE : 0;
  all.forEach((box, at) => {
    const digit = at >= next && at < next + NINE ? String(at - next + 1) : "";
    if (digit) box.dataset.key = digit;
    else delete box.dataset.key;
    box.parentElement.querySelector("kbd").textContent = digit;
  });
}
