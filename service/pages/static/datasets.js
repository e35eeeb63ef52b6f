// Deletes a dataset, once that is confirmed.
import { ask, Problem } from "./api.js";

const dialog = document.getElementById("deleting");
const sure = dialog.querySelector("[data-sure]");
const refusal = dialog.querySelector(".problem");
let pressed = null;

for (const button of document.querySelectorAll("[data-delete]")) {
  button.addEventListener("click", () => {
    pressed = button;
    dialog.querySelector("[data-name]").textContent = button.dataset.name;
    refusal.hidden = true;
    dialog.showModal();
  });
}

sure.addEventListener("click", async () => {
  sure.disabled = true;
  try {
    await ask("DELETE", `/v1/datasets/${pressed.dataset.delete}`);
    location.assign("/datasets");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refusal.textContent = problem.message;
    refusal.hidden = false;
  } finally {
    sure.disabled = false;
  }
});
