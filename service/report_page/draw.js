// Draws every figure of the page, in the colour of its text, light or dark.
"use strict";

const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { displaylogo: false, responsive: true };
const ink = () => getComputedStyle(document.body).color;

for (const [name, figure] of Object.entries(figures)) {
  const layout = { ...figure.layout, font: { family: "system-ui, sans-serif", size: 13, color: ink() } };
  Plotly.newPlot(`chart-${name}`, figure.data, layout, options);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const name of Object.keys(figures)) {
    Plotly.relayout(`chart-${name}`, { "font.color": ink() });
  }
});
