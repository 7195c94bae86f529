// What the page tells its reader: a banner for what went wrong, a quiet line for screen readers.

const banner = () => document.getElementById("banner");

/** Show a message until `hush` is called with the same name, or with none. */
export function tell(message, name = "request") {
  banner().textContent = message;
  banner().dataset.name = name;
  banner().hidden = false;
}

export function hush(name) {
  if (name === undefined || banner().dataset.name === name) banner().hidden = true;
}

/** Say something to screen readers alone. */
export function say(message) {
  document.getElementById("status").textContent = message;
}
