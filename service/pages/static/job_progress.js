// How far a job is, in words and numbers: as the server wrote them (job.html), of the job as it is now.
import { duration, score } from "./numbers.js";

const ENDED = ["completed", "dropped", "diverged", "stopped"];

function phaseOf(job) {
  return job.state === "running" && job.finalists && !job.confirmed ? "confirming" : job.state;
}

function shareOf(job, ended, spent) {
  const { seconds } = job.spec.budget;
  return Math.min(1, Math.max(ended / job.counts.total, seconds ? spent / seconds : 0));
}

function fill(values) {
  for (const place of document.querySelectorAll("[data-field]")) {
    const value = values[place.dataset.field];
    // Only what is new: whoever has selected a text keeps it.
    if (value !== undefined && place.textContent !== String(value)) place.textContent = value;
  }
}

function paragraphs(texts) {
  return texts.map((text) => {
    const line = document.createElement("p");
    line.className = "warning";
    line.textContent = text;
    return line;
  });
}

export class Progress {
  constructor(job, fallback) {
    this.fallback = fallback;
    this.show(job, { isNew: false });
    setInterval(() => this.#tick(), 1000);
  }

  show(job, { isNew = true } = {}) {
    this.job = job;
    this.since = performance.now();
    if (isNew) this.#write();
  }

  // What the events do not tell.
  add({ workers, place }) {
    fill({ workers, place: place ?? "" });
  }

  #write() {
    const { job } = this;
    const phase = phaseOf(job);
    const ended = ENDED.reduce((sum, outcome) => sum + job.counts[outcome], 0);
    const title = job.name ?? this.fallback;
    fill({
      ...job.counts,
      ended,
      title,
      waves: job.waves,
      finalists: job.finalists,
      error: job.error ?? "",
      best: score(job.best_value, job.metric),
      best_trial: job.best_trial ?? 0,
      spent: duration(job.seconds),
      left: duration(job.seconds_left),
    });
    const percent = `${Math.floor(100 * shareOf(job, ended, job.seconds))} %`;
    document.title = `${phase === "running" ? percent : phase} · ${title} · Fallline`;
    for (const state of document.querySelectorAll("[data-state]")) {
      state.className = `state ${job.state}`;
      if (state.textContent !== phase) state.textContent = phase;
    }
    for (const each of document.querySelectorAll("[data-when]")) {
      each.hidden = !each.dataset.when.split(" ").includes(phase);
    }
    const best = document.getElementById("best-trial");
    best.hidden = job.best_trial === null;
    best.href = `/jobs/${job.id}/trials/${job.best_trial ?? 0}`;
    document.getElementById("warnings").replaceChildren(...paragraphs(job.warnings));
    this.#grow(ended);
  }

  #grow(ended) {
    const { counts } = this.job;
    const parts = { ...counts, to_come: Math.max(0, counts.total - ended - counts.running) };
    const bar = document.querySelector("#progress .bar");
    bar.setAttribute("aria-valuenow", ended);
    bar.setAttribute("aria-valuemax", counts.total);
    for (const part of bar.children) part.style.flexGrow = parts[part.dataset.grow];
  }

  // Between two waves only the time goes on.
  #tick() {
    const { job } = this;
    if (job.state !== "running") return;
    const passed = (performance.now() - this.since) / 1000;
    const left = job.seconds_left === null ? null : Math.max(0, job.seconds_left - passed);
    fill({ spent: duration(job.seconds + passed), left: duration(left) });
  }
}
