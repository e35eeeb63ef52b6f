// Shows only the rules that have what is typed.

const box = document.getElementById("filter");
const items = [...document.querySelectorAll("[data-text]")];
const shown = document.getElementById("shown");

function filter() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const item of items) {
    const text = item.dataset.text.toLowerCase();
    item.hidden = !words.every((word) => text.includes(word));
    count += !item.hidden;
  }
  for (const section of document.querySelectorAll("[data-family]")) {
    section.hidden = !section.querySelector("[data-text]:not([hidden])");
  }
  shown.textContent = words.length ? `${count} of ${items.length}` : "";
}

box.parentElement.hidden = false;
box.addEventListener("input", filter);
filter(); // the browser may have kept what was typed
