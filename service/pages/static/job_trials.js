// The table of the trials that ended last: a row more on top for each that ends.
import { rate, score } from "./numbers.js";

function detail(trial) {
  if (trial.outcome === "dropped" && trial.dropped_at !== null) return `after epoch ${trial.dropped_at}`;
  if (trial.outcome === "diverged" && trial.diverged_at !== null) return `at step ${trial.diverged_at}`;
  return trial.reason ?? "";
}

function row(trial, job) {
  const filled = document.getElementById("trial-row").content.cloneNode(true);
  const { optimizer, schedule, batch } = trial.config;
  const texts = {
    number: trial.number,
    optimizer: optimizer.name,
    rate: rate(optimizer.learning_rate ?? null),
    schedule: schedule.name,
    batch,
    value: score(trial.value, job.metric),
    outcome: trial.outcome,
    detail: detail(trial),
  };
  const cell = (name) => filled.querySelector(`[data-cell="${name}"]`);
  for (const [name, text] of Object.entries(texts)) cell(name).textContent = text;
  cell("number").href = `/jobs/${job.id}/trials/${trial.number}`;
  cell("outcome").classList.add(trial.outcome);
  return filled;
}

export function addTrial(trial, job, most) {
  const [body] = document.getElementById("trials").tBodies;
  body.prepend(row(trial, job));
  while (body.rows.length > most) body.deleteRow(-1);
  document.getElementById("no-trials").hidden = true;
}
