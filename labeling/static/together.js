// Ticking many cases at once on the preview, and how many are ticked. Without it the same links load the page anew.

const boxes = () => [...document.querySelectorAll(".many-cases input[type=checkbox]")];

function count() {
  const shown = document.querySelector("[data-ticked]");
  if (shown) shown.textContent = boxes().filter((box) => box.checked).length;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-tick]");
  if (!link) return;
  event.preventDefault();
  for (const box of boxes()) box.checked = link.dataset.tick === "all";
  count();
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".many-cases input")) count();
});

count();
