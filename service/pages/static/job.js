// A job's page: what happens to the job is shown as it happens.
import { offer } from "./job_actions.js";
import { liveAnswer } from "./job_answer.js";
import { liveCharts } from "./job_charts.js";
import { follow } from "./job_events.js";
import { Progress } from "./job_progress.js";
import { addTrial } from "./job_trials.js";

const QUEUE_MS = 5000; // between two looks at the place in the queue, of which no event tells
const CONNECTIONS = { live: "live", lost: "The connection broke; trying again …", "": "" };

const data = document.getElementById("job");
const first = JSON.parse(data.textContent);
const progress = new Progress(first, data.dataset.fallback);
const answer = liveAnswer(document.getElementById("answer"));
const charts = liveCharts(document.getElementById("charts"), {
  answered: (found) => progress.add(found),
  picked: (number) => {
    location.href = `/jobs/${first.id}/trials/${number}`;
  },
});

function show(job) {
  const before = progress.job;
  progress.show(job);
  const hasFirst = before.best_trial === null && job.best_trial !== null;
  if (job.state !== before.state || job.confirmed !== before.confirmed || hasFirst) {
    charts.want();
    answer.want({ atOnce: hasFirst || job.state !== "running" });
    // What came of it goes first now, unless somebody is looking further down.
    if (job.finished && !before.finished && scrollY < innerHeight / 2) {
      document.getElementById("charts").before(document.getElementById("answer"));
    }
  }
}

const goOn = follow(`/v1/jobs/${first.id}/events`, data.dataset.mark, {
  trial(trial) {
    addTrial(trial, first, Number(data.dataset.most));
    charts.want();
    answer.want();
  },
  job: show,
  connection(state) {
    document.getElementById("connection").textContent = CONNECTIONS[state];
  },
});

if (document.querySelector("[data-act]")) {
  offer(first, (job) => {
    show(job);
    goOn();
  });
}
setInterval(() => progress.job.state === "queued" && charts.want(), QUEUE_MS);
charts.want();
answer.want();
