// The charts of a running job, drawn again as trials end: once a second, and less often if that is work.
import { ask } from "./api.js";
import { draw } from "./charts.js";
import { loaded } from "./loaded.js";
import { Repeated } from "./repeated.js";

const PAUSE_MS = 1000;
const NARROW = 600; // pixels: a legend beside a chart would take half of it

// `answered` gets what else the server said, `picked` the number of a trial that was clicked.
// Returns what draws them again.
export function liveCharts(root, { answered, picked }) {
  function show(name, { figure, caption }) {
    const chart = document.getElementById(name);
    const canvas = chart.querySelector(".canvas");
    const isNew = !canvas.classList.contains("js-plotly-plot");
    chart.querySelector("figcaption").textContent = caption;
    const isBeside = figure.layout.legend.orientation === "v";
    if (isBeside && innerWidth < NARROW) figure.layout.showlegend = false;
    draw(chart, figure);
    if (!isNew) return;
    canvas.on("plotly_click", ({ points: [point] }) => {
      if (point.customdata !== undefined) picked(point.customdata);
    });
  }

  return new Repeated(async () => {
    await loaded;
    const found = await ask("GET", root.dataset.address);
    answered(found);
    const charts = Object.entries(found.charts);
    if (charts.length) root.querySelector(".empty").hidden = true;
    for (const [name, chart] of charts) show(name, chart);
  }, PAUSE_MS);
}
