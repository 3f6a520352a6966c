// A sentence at the foot of the page for a moment, said by screen readers too.
const SHOWN_MS = 2600;
let timer = null;

export function note(text) {
  const toast = document.getElementById("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.hidden = true), SHOWN_MS);
}
