// What a job has found: its charts, the parts that take longer, and models, which are trained on demand.

import { acting, Problem, tell } from "./api.js";
import { drawAll } from "./charts.js";

// Draws the charts inside an element, and gets the parts that come later.
export async function complete(root) {
  drawAll(root);
  await Promise.all([...root.querySelectorAll("[data-later]")].map(fetchPart));
}

async function fetchPart(place) {
  const answer = await fetch(place.dataset.later);
  if (!answer.ok) return; // what stands there leads to the same on a page of its own
  place.innerHTML = await answer.text();
  delete place.dataset.later;
  drawAll(place);
}

// A model is trained for the request; as long as it takes, the server answers 503.
async function fetchModel(address) {
  for (;;) {
    const answer = await fetch(address).catch(() => { throw new Problem({ detail: "The server cannot be reached. Is it running?" }); });
    if (answer.ok) return { file: await answer.blob(), name: /filename="(.+)"/.exec(answer.headers.get("content-disposition"))[1] };
    const problem = new Problem(await answer.json());
    if (problem.status !== 503) throw problem;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-model]");
  if (!button) return;
  acting(button, async () => {
    tell("The model is being trained; it will be saved when it is there.");
    const { file, name } = await fetchModel(button.dataset.model);
    save(file, name);
  });
});
