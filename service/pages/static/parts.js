// Parts of a page that change: the page is asked for again, and what it says of them is put in.
import { ask, Problem, tell } from "./api.js";

const EVERY = 2000;

// The page as the server would show it now.
export async function again() {
  return new DOMParser().parseFromString(await ask("GET", location.href), "text/html");
}

// Brings the rows of a table's body up to date. Rows that were there stay, with their selection, but for
// the cells that are marked data-live.
export function renew(body, anew) {
  const known = new Map([...body.rows].map((row) => [row.id, row]));
  const rows = [...(anew.getElementById(body.id)?.rows ?? [])].map((row) => merged(known.get(row.id), row));
  if (rows.length === body.rows.length && rows.every((row, index) => row === body.rows[index])) return;
  const focused = document.activeElement;
  body.replaceChildren(...rows);
  if (focused.isConnected) focused.focus();
}

function merged(old, row) {
  if (!old) return row;
  Object.assign(old.dataset, row.dataset);
  for (const cell of row.querySelectorAll("[data-live]")) {
    const before = old.querySelector(`[data-live="${cell.dataset.live}"]`);
    if (before.innerHTML !== cell.innerHTML) before.replaceChildren(...cell.childNodes);
  }
  return old;
}

// Does something every two seconds for as long as it is wanted and the page is looked at.
export function whileWatched(wanted, action) {
  let timer = 0;
  let isAway = false;
  const run = async () => {
    try {
      await action();
      isAway = false;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (!isAway) tell(problem.message, { isProblem: true });
      if (problem.status) return; // it was refused, and would be again
      isAway = true;
    }
    plan();
  };
  const plan = () => {
    clearTimeout(timer);
    if (!document.hidden && wanted()) timer = setTimeout(run, EVERY);
  };
  document.addEventListener("visibilitychange", plan);
  plan();
}

// Asks in a dialog; whether the answer was yes. Escape says no.
export function sure(dialog) {
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
