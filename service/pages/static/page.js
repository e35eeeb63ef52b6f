// What every page can do: copy the text of an element, and say times in the reader's own zone.
import { tell } from "./api.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    tell("Copied.");
  } catch {
    // Not allowed to: select the text, so that the keyboard can.
    getSelection().selectAllChildren(source);
    tell("Selected: copy it with the keyboard.");
  }
});
