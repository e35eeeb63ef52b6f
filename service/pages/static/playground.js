// The playground's settings: what is asked of the server, and the address that says the same.
import { ask, Problem } from "./api.js";
import { Player } from "./playground_player.js";
import { color, Plots, SIGNS } from "./playground_plots.js";

const WAIT = 150; // ms without another change before the server is asked
const at = (id) => document.getElementById(id);
const rows = at("paths");
const most = Number(at("found").dataset.most);
const plots = new Plots(at("map"), at("heights"), startAt);
const player = new Player(at("play"), at("step"), at("now"), (step) => plots.show(step));
const surfaces = new Map();
let custom = new URLSearchParams(location.search).has("x"); // whether the start was chosen
let latest = 0;
let timer;

const short = (value) => String(Number(value.toPrecision(3)));

function row(path) {
  const made = at("row").content.firstElementChild.cloneNode(true);
  made.querySelector("[data-part=optimizer]").value = path.optimizer;
  made.querySelector("[data-part=schedule]").value = path.schedule;
  setRate(made, path.rate, path.best_of);
  const mark = made.querySelector(".mark");
  const place = rows.children.length;
  mark.textContent = SIGNS[place];
  mark.style.color = color(place);
  made.querySelector(".end").textContent = path.height ? end(path) : "";
  rows.append(made);
}

function setRate(made, rate, bestOf) {
  made.dataset.rate = bestOf ? "" : rate;
  made.querySelector("[data-part=rate]").value = Math.log10(rate);
  made.querySelector("output").textContent = short(rate) + (bestOf ? `, best of ${bestOf}` : "");
}

function end(path) {
  if (path.diverged_at) return `left at step ${path.diverged_at}`;
  return `height ${short(path.height.at(-1))}`;
}

// The query that asks for what is set; without the start, where it is the customary one.
function query() {
  const asked = new URLSearchParams({ landscape: at("landscape").value });
  for (const each of rows.children) {
    const [optimizer, schedule] = ["optimizer", "schedule"].map((part) => each.querySelector(`[data-part=${part}]`).value);
    const parts = [optimizer, each.dataset.rate, schedule === "constant" ? "" : schedule];
    asked.append("path", parts.join(":").replace(/:+$/, ""));
  }
  asked.append("steps", at("steps").value);
  if (custom) ["x", "y"].forEach((name) => asked.append(name, at(name).value));
  if (Number(at("noise").value)) asked.append("noise", at("noise").value);
  return asked.toString().replaceAll("%3A", ":");
}

function changed() {
  clearTimeout(timer);
  timer = setTimeout(() => run(query()), WAIT);
}

async function run(asked) {
  latest += 1;
  const own = latest;
  try {
    const found = await ask("GET", `/playground/paths?${asked}`);
    if (own !== latest) return; // something else was asked meanwhile
    at("problem").textContent = "";
    history.replaceState(null, "", `/playground?${asked}`);
    await show(found);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (own === latest) at("problem").textContent = problem.message;
  }
}

async function show(found) {
  at("landscape").value = found.landscape;
  at("steps").value = found.steps;
  at("noise").value = found.noise;
  [at("x").value, at("y").value] = found.start.map((value) => Number(value.toPrecision(6)));
  for (const said of document.querySelectorAll("[data-landscape]")) {
    said.hidden = said.dataset.landscape !== found.landscape;
  }
  // What has the focus stays, so that the keyboard can go on.
  if (rows.contains(document.activeElement)) {
    found.paths.forEach((path, place) => {
      setRate(rows.children[place], path.rate, path.best_of);
      rows.children[place].querySelector(".end").textContent = end(path);
    });
  } else {
    rows.replaceChildren();
    found.paths.forEach(row);
  }
  at("add").disabled = found.paths.length === most;
  sayNote();
  if (!surfaces.has(found.landscape)) {
    surfaces.set(found.landscape, await ask("GET", `/playground/surfaces/${found.landscape}`));
  }
  const surface = surfaces.get(found.landscape);
  for (const name of ["x", "y"]) [at(name).min, at(name).max] = [surface[name][0], surface[name].at(-1)];
  await plots.draw(found, surface);
  player.start(found.steps);
}

// What there is to see, if it is one of the examples.
function sayNote() {
  const links = [...document.querySelectorAll(".presets a")];
  const said = (link) => decodeURIComponent(new URL(link.href).search);
  const here = location.search ? decodeURIComponent(location.search) : said(links[0]); // what is shown by default
  let note = "";
  for (const link of links) {
    const open = said(link) === here;
    link.toggleAttribute("aria-current", open);
    if (open) note = link.dataset.note;
  }
  at("note").textContent = note;
  at("note").hidden = !note;
}

function startAt(x, y) {
  [at("x").value, at("y").value] = [x, y].map((value) => Number(value.toPrecision(4)));
  custom = true;
  changed();
}

at("settings").addEventListener("input", (event) => {
  if (event.target.id === "x" || event.target.id === "y") custom = true;
  if (event.target.id === "landscape") custom = false;
  if (at("settings").reportValidity()) changed();
});
at("settings").addEventListener("submit", (event) => event.preventDefault());

rows.addEventListener("input", (event) => {
  const own = event.target.closest("tr");
  if (event.target.dataset.part === "rate") setRate(own, Number((10 ** event.target.value).toPrecision(3)), null);
  if (event.target.dataset.part === "optimizer") own.dataset.rate = ""; // another rule's rate says nothing
  changed();
});
rows.addEventListener("click", (event) => {
  if (event.target.dataset.part !== "remove" || rows.children.length === 1) return;
  event.target.closest("tr").remove();
  changed();
});
at("add").addEventListener("click", () => {
  row({ optimizer: "adam", schedule: "constant", rate: 0.1, best_of: 1 });
  changed();
});
at("best").addEventListener("click", () => {
  for (const each of rows.children) each.dataset.rate = "";
  changed();
});
document.querySelector(".presets").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const asked = new URL(link.href).search.slice(1);
  custom = new URLSearchParams(asked).has("x");
  run(asked);
});

document.querySelector(".player").hidden = false;
at("more").hidden = false;
await show(JSON.parse(at("found").textContent));
