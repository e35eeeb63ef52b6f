// The form of a job: what it comes to is shown as it changes, and sent as it is shown.
import { ask, Problem } from "./api.js";

const PAUSE = 200; // ms without a change before the server is asked what the form comes to
const form = document.getElementById("job");
const start = document.getElementById("start");
const estimate = document.getElementById("estimate");
const foretold = document.getElementById("foretold");

let latest = 0;
let timer = 0;

// What is filled in; blank fields are left out.
function query(filled = form) {
  return new URLSearchParams([...new FormData(filled)].filter(([, value]) => value.trim()));
}

// Puts in what the form comes to, unless a later change has overtaken the answer.
async function refresh() {
  clearTimeout(timer);
  const mine = ++latest;
  const asked = query();
  const parts = new DOMParser().parseFromString(await ask("GET", `/plan?${asked}`), "text/html");
  if (mine !== latest) return;
  const unfolded = document.querySelector("#recognised details")?.open;
  for (const part of [...parts.body.children]) document.getElementById(part.id).replaceWith(part);
  if (unfolded) document.querySelector("#recognised details")?.setAttribute("open", "");
  history.replaceState(null, "", `/?${asked}`);
  place();
}

// The part of the form that a field's dotted name is of.
function partOf(field) {
  for (let name = field ?? ""; name; name = name.replace(/\.?[^.]*$/, "")) {
    const found = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
    if (found) return found;
  }
  return null;
}

// Moves each problem beside the field that it is about.
function place() {
  for (const old of form.querySelectorAll("[data-field] > .problem")) old.remove();
  for (const marked of form.querySelectorAll("[aria-invalid]")) {
    marked.removeAttribute("aria-invalid");
    describe(marked);
  }
  for (const problem of document.querySelectorAll("#problems > [data-of]")) {
    const part = partOf(problem.dataset.of);
    if (!part) continue;
    const line = document.createElement("p");
    line.className = "problem";
    line.id = `problem-${problem.dataset.of}`;
    line.textContent = problem.textContent;
    const control = part.querySelector("input, select");
    control.setAttribute("aria-invalid", "true");
    part.append(line);
    describe(control, line.id);
    problem.remove();
    for (let around = part.closest("details"); around; around = around.parentElement.closest("details")) {
      around.open = true;
    }
  }
}

// Says which texts tell of a control: what is wrong with it, and its hint.
function describe(control, ...ids) {
  const found = [...ids, `${control.name}-hint`].filter((id) => document.getElementById(id));
  control.setAttribute("aria-describedby", found.join(" "));
}

// Shows what the API says is wrong, and goes there.
function refuse(problem) {
  const told = problem.errors.length ? problem.errors : [{ field: problem.field, message: problem.message }];
  document.getElementById("problems").replaceChildren(
    ...told.map(({ field, message }) => {
      const item = document.createElement("li");
      item.className = "problem";
      item.dataset.of = field ?? "";
      item.textContent = message;
      return item;
    }),
  );
  place();
  form.querySelector("[aria-invalid]")?.focus();
}

const spec = () => JSON.parse(document.getElementById("as-json").textContent);

// Runs what a button asks for with the form as it is now.
async function acting(button, action) {
  button.disabled = true;
  try {
    await refresh();
    await action(spec());
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refuse(problem);
  } finally {
    button.disabled = false;
  }
}

async function submit(spec) {
  const job = await ask("POST", "/v1/jobs", spec);
  location.assign(`/jobs/${job.id}`);
  await new Promise(() => {}); // the button rests until the page is left
}

async function foretell(spec) {
  foretold.textContent = "Training for a moment …";
  try {
    const found = await patiently(() => ask("POST", "/v1/jobs:estimate", spec));
    const count = (number) => number.toLocaleString("en");
    foretold.textContent =
      `About ${duration(found.seconds)} at most for ${count(found.trials)} configurations and ` +
      `${count(found.confirmation_trainings)} trainings that confirm the best; ` +
      `${count(Math.ceil(found.bytes / 1e6))} MB of memory.`;
  } catch (problem) {
    foretold.textContent = "";
    throw problem;
  }
}

// Asks again while the workers are busy: the training goes on, and the same question finds its result.
async function patiently(question) {
  for (;;) {
    try {
      return await question();
    } catch (problem) {
      if (problem.status !== 503) throw problem;
      foretold.textContent = problem.message;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  acting(start, submit);
});
estimate.addEventListener("click", () => acting(estimate, foretell));
form.addEventListener("input", () => {
  foretold.textContent = "";
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(() => {}), PAUSE); // the next change asks again
});
place();

// Whoever was quicker than this script has changed something already.
const untouched = form.cloneNode(true);
untouched.reset();
if (String(query(untouched)) !== String(query())) refresh().catch(() => {});
