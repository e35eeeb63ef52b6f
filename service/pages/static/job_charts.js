// The charts of a running job, drawn again as trials end: once a second, and less often if that is work.
import { ask, Problem } from "./api.js";
import { draw } from "./charts.js";
import { loaded } from "./loaded.js";

const PAUSE_MS = 1000;
const NARROW = 600; // pixels: a legend beside a chart would take half of it
const SHARE = 0.3; // of the time at most goes into asking and drawing

export class Charts {
  #due = null;
  #next = 0;

  constructor(root, { answered, picked }) {
    this.root = root;
    this.answered = answered;
    this.picked = picked;
  }

  // Something has changed: draws soon.
  change() {
    this.#due ??= setTimeout(() => this.#refresh(), Math.max(0, this.#next - performance.now()));
  }

  async #refresh() {
    await loaded;
    const began = performance.now();
    this.#next = Infinity; // one at a time
    this.#due = null;
    try {
      const found = await ask("GET", this.root.dataset.address);
      this.answered(found);
      for (const [name, chart] of Object.entries(found.charts)) this.#draw(name, chart);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // else the next change asks again
    } finally {
      const took = performance.now() - began;
      this.#next = performance.now() + Math.max(PAUSE_MS, took / SHARE);
    }
  }

  #draw(name, { figure, caption }) {
    const chart = document.getElementById(name);
    const canvas = chart.querySelector(".canvas");
    const isNew = !canvas.classList.contains("js-plotly-plot");
    chart.querySelector("figcaption").textContent = caption;
    document.getElementById("no-charts").hidden = true;
    const isBeside = figure.layout.legend.orientation === "v";
    if (isBeside && innerWidth < NARROW) figure.layout.showlegend = false;
    draw(chart, figure);
    if (isNew) {
      canvas.on("plotly_click", ({ points: [point] }) => {
        if (point.customdata !== undefined) this.picked(point.customdata);
      });
    }
  }
}
