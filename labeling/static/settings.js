// What a person has chosen for this browser. The colours are in a cookie, since the server writes them into the page.

const YEAR_S = 365 * 24 * 60 * 60;
const DEFAULTS = { breakMinutes: "50", keys: "on" };

const key = () => `fairstall.settings.${document.body.dataset.user}`;

export function setting(name) {
  return { ...DEFAULTS, ...stored() }[name];
}

document.addEventListener("change", ({ target }) => {
  const name = target.dataset?.setting;
  if (!name) return;
  if (name === "theme") setTheme(target.value);
  else localStorage.setItem(key(), JSON.stringify({ ...stored(), [name]: target.value }));
  dispatchEvent(new CustomEvent("fairstall:setting"));
});

/** Show what is set. */
export function showSettings() {
  for (const select of document.querySelectorAll("[data-setting]")) {
    if (select.dataset.setting !== "theme") select.value = setting(select.dataset.setting);
  }
}

function setTheme(theme) {
  const { dataset } = document.documentElement;
  if (theme) dataset.theme = theme;
  else delete dataset.theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `fairstall_theme=${theme}; Path=/; SameSite=Strict; Max-Age=${theme ? YEAR_S : 0}${secure}`;
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(key())) ?? {};
  } catch {
    return {};
  }
}
