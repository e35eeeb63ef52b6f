// The answer so far, kept up to date without moving anything under its reader's eyes.
import { ask, Problem } from "./api.js";
import { drawAll } from "./charts.js";
import { loaded } from "./loaded.js";

const PAUSE_MS = 5000;

export class Answer {
  #due = null;
  #next = 0;

  constructor(section) {
    this.section = section;
  }

  // There may be another one by now: shows it soon, or at once where it is the last.
  change({ isLast = false } = {}) {
    if (isLast) {
      clearTimeout(this.#due);
      this.#due = null;
      this.#next = 0;
    }
    this.#due ??= setTimeout(() => this.#refresh(), Math.max(0, this.#next - performance.now()));
  }

  // Whether somebody is in the midst of it: reads on after scrolling, moves by keyboard, selects.
  #isRead() {
    const { section } = this;
    const { top, bottom } = section.getBoundingClientRect();
    const selection = getSelection();
    const isSelected = !selection.isCollapsed && selection.containsNode(section, true);
    return (top < 0 && bottom > 0) || isSelected || section.querySelector(":focus-visible") !== null;
  }

  async #refresh() {
    this.#due = null;
    this.#next = performance.now() + PAUSE_MS;
    if (this.#isRead()) {
      this.change(); // later
      return;
    }
    try {
      this.#put(await ask("GET", this.section.dataset.address));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.change();
    }
  }

  #put(html) {
    const { section } = this;
    const opened = [...section.querySelectorAll("details[open][id]")].map((each) => each.id);
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    for (const id of opened) fresh.content.getElementById(id)?.setAttribute("open", "");
    // A chart that is drawn already is drawn on: it keeps what one has zoomed to.
    for (const canvas of section.querySelectorAll(".canvas.js-plotly-plot")) {
      fresh.content.getElementById(canvas.parentElement.id)?.querySelector(".canvas").replaceWith(canvas);
    }
    section.replaceChildren(fresh.content);
    loaded.then(() => drawAll(section));
  }
}
