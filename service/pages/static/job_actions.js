// What can be done about a job: by a button at once, or after a dialog.
import { acting, ask, Problem, tell } from "./api.js";

// Opens a dialog from its buttons; what its form holds is sent by `send`, and a problem told in it.
function asking(id, send) {
  const dialog = document.getElementById(id);
  const form = dialog.querySelector("form");
  const problem = dialog.querySelector(".problem");
  const open = () => {
    problem.hidden = true;
    dialog.showModal();
  };
  for (const button of document.querySelectorAll(`[data-open="${id}"]`)) button.addEventListener("click", open);
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await send(new FormData(form));
      dialog.close();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
}

// `changed` is called with the job as it is after each.
export function offer(job, changed) {
  const address = `/v1/jobs/${job.id}`;
  const moves = {
    pause: async () => changed(await ask("POST", `${address}/pause`)),
    resume: async () => changed(await ask("POST", `${address}/resume`)),
    clone: async () => {
      const seed = (job.spec.seed + 1) % 2 ** 32;
      location.href = `/jobs/${(await ask("POST", `${address}/clone`, { seed })).id}`;
    },
  };
  for (const button of document.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => acting(button, moves[button.dataset.act]));
  }
  asking("rename-dialog", async (form) => {
    changed(await ask("PATCH", address, { name: form.get("name") || null }));
  });
  asking("budget-dialog", async (form) => {
    const budget = { trials: Number(form.get("trials")) };
    // An external job has no such limit to set.
    if (form.has("seconds")) budget.seconds = form.get("seconds") === "" ? null : Number(form.get("seconds"));
    changed(await ask("PATCH", address, { budget }));
    tell("The budget is changed.");
  });
  asking("cancel-dialog", async () => changed(await ask("POST", `${address}/cancel`)));
  asking("delete-dialog", async () => {
    await ask("DELETE", address);
    location.href = "/jobs";
  });
}
