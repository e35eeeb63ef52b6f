// Draws figures in the colours of the page, light or dark.

const dark = matchMedia("(prefers-color-scheme: dark)");
const ink = () => getComputedStyle(document.body).color;
const ground = () => getComputedStyle(document.body).backgroundColor;

function themed(layout) {
  return {
    ...layout,
    font: { family: "system-ui, sans-serif", size: 13, ...layout.font, color: ink() },
    hoverlabel: { bgcolor: ground(), font: { color: ink() } },
  };
}

function options(name) {
  const image = (format) => ({
    name: `Save as ${format.toUpperCase()}`,
    icon: Plotly.Icons[format === "png" ? "camera" : "disk"],
    click: (drawn) => Plotly.downloadImage(drawn, { format, filename: name, width: 1000, height: 560, scale: 2 }),
  });
  return {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d"],
    modeBarButtonsToAdd: [image("png"), image("svg")],
  };
}

// Draws a figure into a chart's canvas; again, if it is there already, where one has zoomed to.
export function draw(chart, figure) {
  const canvas = chart.querySelector(".canvas");
  return Plotly.react(canvas, figure.data, themed({ uirevision: "kept", ...figure.layout }), options(chart.id));
}

// Charts that are folded away have no size to be drawn at: each is drawn when it gets one, and again to
// fit when it gets another.
const shown = new WeakMap();
const sized = new ResizeObserver((entries) => {
  for (const { target, contentRect: { width } } of entries) {
    const chart = target.closest(".chart");
    if (!width || !chart) continue;
    const data = chart.querySelector("script[type='application/json']");
    const before = shown.get(target);
    shown.set(target, { data, width });
    if (before?.data !== data) draw(chart, JSON.parse(data.textContent));
    else if (before.width !== width) Plotly.Plots.resize(target);
  }
});

// Draws every chart inside an element whose figure stands beside it.
export function drawAll(root = document) {
  for (const chart of root.querySelectorAll(".chart")) {
    if (chart.querySelector("script[type='application/json']")) sized.observe(chart.querySelector(".canvas"));
  }
}

dark.addEventListener("change", () => {
  for (const canvas of document.querySelectorAll(".canvas.js-plotly-plot")) {
    Plotly.relayout(canvas, { "font.color": ink(), "hoverlabel.bgcolor": ground(), "hoverlabel.font.color": ink() });
  }
});
