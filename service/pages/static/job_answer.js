// The answer so far, kept up to date without moving anything under its reader's eyes.
import { complete } from "./answer.js";
import { ask } from "./api.js";
import { loaded } from "./loaded.js";
import { Repeated } from "./repeated.js";

const PAUSE_MS = 5000;

// Whether somebody is in the midst of it: reads on after scrolling, moves by keyboard, selects.
function isRead(section) {
  const { top, bottom } = section.getBoundingClientRect();
  const selection = getSelection();
  const isSelected = !selection.isCollapsed && selection.containsNode(section, true);
  return (top < 0 && bottom > 0) || isSelected || section.querySelector(":focus-visible") !== null;
}

function put(section, html) {
  const opened = [...section.querySelectorAll("details[open][id]")].map((each) => each.id);
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  for (const id of opened) fresh.content.getElementById(id)?.setAttribute("open", "");
  // A chart that is drawn already is drawn on: it keeps what one has zoomed to.
  for (const canvas of section.querySelectorAll(".canvas.js-plotly-plot")) {
    fresh.content.getElementById(canvas.parentElement.id)?.querySelector(".canvas").replaceWith(canvas);
  }
  section.replaceChildren(fresh.content);
}

// Returns what shows it again.
export function liveAnswer(section) {
  const answer = new Repeated(async () => {
    if (isRead(section)) {
      answer.want(); // later
      return;
    }
    put(section, await ask("GET", section.dataset.address));
    if (section.querySelector("[data-behind]")) answer.want(); // no event may come to ask for it
    await loaded;
    complete(section); // parts that take longer keep nobody waiting for the next answer
  }, PAUSE_MS);
  return answer;
}
