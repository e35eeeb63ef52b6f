// The list of jobs: it follows those under way, and acts on those that are selected.
import { acting, ask } from "./api.js";
import { again, renew, sure, whileWatched } from "./parts.js";

const lines = document.getElementById("lines");
const UNDER_WAY = ["queued", "running"];
const DELETED = "Their trials and reports go with them. There is no way back.";
const CANCELLED = "Trials that have ended stay, and so does what they found.";

function follow() {
  const all = document.getElementById("all");
  all.addEventListener("change", () => {
    for (const row of lines.rows) box(row).checked = all.checked;
    show();
  });
  lines.addEventListener("change", show);
  offer("cancel", "Cancel", CANCELLED, (id) => ask("POST", `/v1/jobs/${id}/cancel`));
  offer("delete", "Delete", DELETED, (id) => ask("DELETE", `/v1/jobs/${id}`));
  whileWatched(() => [...lines.rows].some(isUnderWay), refresh);
  show();
}

async function refresh() {
  renew(lines, await again());
  show();
}

// A button that does something to each selected job that it can be done to, if that is meant.
function offer(name, word, consequence, act) {
  const button = document.getElementById(name);
  const dialog = document.getElementById("sure");
  button?.addEventListener("click", async () => {
    const rows = selected().filter(allows[name]);
    const count = rows.length === 1 ? "1 job" : `${rows.length} jobs`;
    dialog.querySelector("h2").textContent = `${word} ${count}?`;
    dialog.querySelector("ul").replaceChildren(...rows.map(item));
    dialog.querySelector("p").textContent = consequence;
    dialog.querySelector("[value=yes]").textContent = `${word} ${count}`;
    if (!(await sure(dialog))) return;
    await acting(button, async () => {
      try {
        for (const row of rows) await act(box(row).value);
      } finally {
        await refresh();
      }
    });
    show();
  });
}

// Says what is selected, and which buttons have something to do.
function show() {
  const rows = selected();
  document.getElementById("compare").disabled = rows.length < 2;
  for (const [name, allowed] of Object.entries(allows)) {
    const button = document.getElementById(name);
    if (button) button.disabled = !rows.some(allowed);
  }
  const said = document.getElementById("selected");
  said.dataset.none ??= said.textContent;
  said.textContent = rows.length ? `${rows.length} selected` : said.dataset.none;
  const all = document.getElementById("all");
  all.checked = rows.length > 0 && rows.length === lines.rows.length;
  all.indeterminate = rows.length > 0 && !all.checked;
}

const box = (row) => row.querySelector("input");
const selected = () => [...lines.rows].filter((row) => box(row).checked);
const isUnderWay = (row) => UNDER_WAY.includes(row.dataset.state);
const allows = {
  cancel: (row) => isUnderWay(row) || row.dataset.state === "paused",
  delete: (row) => !isUnderWay(row),
};

function item(row) {
  const line = document.createElement("li");
  line.textContent = row.querySelector(".title").textContent;
  return line;
}

if (lines) follow();
