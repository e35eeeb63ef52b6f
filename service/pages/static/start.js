// From a file or a sample to a dataset; then the page goes on with that.
import { ask, Problem } from "./api.js";

const TYPES = {
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  parquet: "application/vnd.apache.parquet",
  npz: "application/x-npz",
  zip: "application/zip",
};
const UNSAID = "application/octet-stream"; // the first bytes say it

const drop = document.getElementById("drop");
const file = document.getElementById("file");
const progress = document.getElementById("progress");
const refusal = document.getElementById("refusal");

// A name that the API takes, near to the file's.
function label(name) {
  const stem = name.replace(/\.[^.]+$/, "");
  const kept = stem.replace(/[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc} .-]/gu, "").replace(/^[ .-]+/, "");
  return [...kept].slice(0, 64).join("") || "dataset";
}

// Sends a table and tells how far it is, which `fetch` cannot; the dataset.
function upload(content, type, params, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/datasets?${new URLSearchParams(params)}`);
    request.setRequestHeader("Content-Type", type);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => told(loaded / total));
    request.addEventListener("load", () =>
      request.status === 201 ? resolve(request.response) : reject(new Problem(request.response ?? {})),
    );
    request.addEventListener("error", () => reject(new Problem({ detail: "The file did not arrive. Is the server running?" })));
    request.send(content);
  });
}

function tell(name, share) {
  progress.hidden = false;
  const bar = progress.querySelector("progress");
  if (share < 1) bar.value = share;
  else bar.removeAttribute("value"); // it is being read, for as long as that takes
  document.getElementById("doing").textContent =
    share < 1 ? `Sending ${name}: ${Math.floor(100 * share)} %` : `Reading ${name}`;
}

// Runs what makes a dataset, one at a time, and goes on with it; a refusal is said in words.
async function begin(make) {
  if (!progress.hidden) return;
  refusal.hidden = true;
  try {
    const dataset = await make();
    // What was chosen on the way here stays chosen.
    const chosen = new URLSearchParams(location.search);
    chosen.set("dataset", dataset.id);
    location.assign(`/?${chosen}`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refusal.textContent = problem.message;
    refusal.hidden = false;
    progress.hidden = true;
    file.value = ""; // so that the same file can be chosen again
  }
}

function take(chosen) {
  const type = TYPES[chosen.name.split(".").pop().toLowerCase()] ?? UNSAID;
  const said = [...new FormData(drop)].filter(([, value]) => typeof value === "string" && value);
  begin(() => {
    tell(chosen.name, 0);
    return upload(chosen, type, [["name", label(chosen.name)], ...said], (share) => tell(chosen.name, share));
  });
}

async function sample({ sample: name, target }) {
  tell(name, 0);
  const table = await ask("GET", `/samples/${name}.csv`);
  return upload(table, TYPES.csv, { name, target }, (share) => tell(name, share));
}

file.addEventListener("change", () => file.files.length && take(file.files[0]));
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () => begin(() => sample(button.dataset)));
}

// A file that misses the zone would replace the page.
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover" && drop.contains(event.target));
  });
}
drop.addEventListener("drop", ({ dataTransfer }) => dataTransfer.files.length && take(dataTransfer.files[0]));
