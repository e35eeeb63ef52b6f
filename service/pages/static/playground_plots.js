// The two plots of the playground: the map, and heights by step. Plotly draws what stays, an overlay what
// moves: Plotly would take up the whole map again for each step.

export const SIGNS = ["●", "■", "◆", "▲", "★", "✚", "✖", "⬢"]; // of paths, in their order
export const color = (place) => `var(--path-${place})`;

const dark = matchMedia("(prefers-color-scheme: dark)");
const LIGHT_MAP = { ground: [[0, "#86a3c8"], [0.5, "#d3deeb"], [1, "#fbfcfd"]], line: "#9db0c6", ink: "#1d2733" };
const DARK_MAP = { ground: [[0, "#4d6f9c"], [0.5, "#27384d"], [1, "#141a21"]], line: "#4a5f78", ink: "#e4e9ef" };
const CLEAR = "rgba(0,0,0,0)";
const GRID = "rgba(128,128,128,0.25)";
const LOWEST = 1e-12; // heights below it are drawn there: a logarithm has no zero
const TALLEST = 100; // times the start, where paths leave
const FAR = 1e4; // pixels: points beyond are drawn there

export class Plots {
  constructor(map, heights, startAt) {
    this.map = new Plot(map);
    this.heights = new Plot(heights);
    this.startAt = startAt;
    dark.addEventListener("change", () => this.found && this.draw(this.found, this.surface));
  }

  async draw(found, surface) {
    const isFirst = !this.found;
    Object.assign(this, { found, surface });
    const { paths } = found;
    const colors = dark.matches ? DARK_MAP : LIGHT_MAP;
    await Promise.all([
      this.map.draw(mapFigure(found, surface, colors), paths.map(({ x, y }) => ({ x, y })), colors.ink),
      this.heights.draw(
        heightsFigure(found),
        paths.map(({ height }) => ({ x: [...height.keys()], y: height.map(drawn) })),
        colors.ink,
      ),
    ]);
    if (isFirst) this.map.canvas.on("plotly_click", ({ points: [point] }) => this.startAt(point.x, point.y));
  }

  // Shows the paths up to a step; one that has left stays where it was.
  show(step) {
    this.map.show(step);
    this.heights.show(step);
  }
}

// A plot, and over it one line and one head for each path.
class Plot {
  constructor(chart) {
    this.canvas = chart.querySelector(".canvas");
    this.overlay = chart.querySelector(".overlay");
    this.step = 0;
    this.paths = [];
    this.lines = [];
  }

  async draw({ data, layout }, paths, ink) {
    this.paths = paths;
    this.overlay.replaceChildren();
    this.lines = paths.map((_, place) => this.#add("polyline", place));
    this.heads = paths.map((_, place) => this.#add("text", place));
    this.heads.forEach((head, place) => {
      head.classList.add("head");
      head.textContent = SIGNS[place];
    });
    const font = { family: "system-ui, sans-serif", size: 13, color: ink };
    const common = { font, showlegend: false, paper_bgcolor: CLEAR, plot_bgcolor: CLEAR };
    const options = { displayModeBar: false, responsive: true };
    const isFirst = !this.canvas.classList.contains("js-plotly-plot");
    await Plotly.react(this.canvas, data, { ...common, ...layout }, options);
    if (isFirst) this.canvas.on("plotly_afterplot", () => this.place());
    this.place();
  }

  #add(name, place) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    made.style.color = color(place);
    this.overlay.append(made);
    return made;
  }

  // Finds where the points are on the screen: after zooming, and when the window has another size.
  place() {
    const { xaxis, yaxis } = this.canvas._fullLayout;
    const area = { x: xaxis._offset, y: yaxis._offset, width: xaxis._length, height: yaxis._length };
    for (const [name, value] of Object.entries(area)) this.overlay.setAttribute(name, value);
    const pixel = (axis, value) => Math.max(-FAR, Math.min(FAR, axis.d2p(value))).toFixed(1);
    this.places = this.paths.map(({ x, y }) => x.map((value, step) => [pixel(xaxis, value), pixel(yaxis, y[step])]));
    this.show(this.step);
  }

  show(step) {
    this.step = step;
    this.places.forEach((places, path) => {
      const [x, y] = places[Math.min(step, places.length - 1)];
      this.lines[path].setAttribute("points", places.slice(0, step + 1).join(" "));
      this.heads[path].setAttribute("x", x);
      this.heads[path].setAttribute("y", y);
    });
  }
}

const drawn = (height) => Math.max(height, LOWEST);

function mapFigure(found, { x, y, height, minima }, { ground, line, ink }) {
  const sorted = height.flat().sort((a, b) => a - b);
  const least = sorted[Math.floor(sorted.length / 50)] || LOWEST;
  return {
    data: [
      {
        type: "contour",
        x,
        y,
        z: height.map((row) => row.map((value) => Math.log10(value + least))),
        text: height.map((row) => row.map((value) => value.toPrecision(3))),
        colorscale: ground,
        showscale: false,
        ncontours: 24,
        line: { width: 0.5, color: line },
        hovertemplate: "x %{x:.2f}, y %{y:.2f}<br>height %{text}<extra></extra>",
      },
      {
        type: "scatter",
        mode: "markers",
        x: minima.map(([place]) => place),
        y: minima.map(([, place]) => place),
        marker: { symbol: "star-open", size: 14, color: ink, line: { width: 2 } },
        hoverinfo: "skip", // a click beside it means the map
      },
    ],
    layout: {
      uirevision: found.landscape,
      margin: { l: 40, r: 10, t: 10, b: 35 },
      xaxis: { range: [x[0], x.at(-1)], zeroline: false, showgrid: false },
      yaxis: { range: [y[0], y.at(-1)], zeroline: false, showgrid: false },
    },
  };
}

function heightsFigure({ landscape, paths, steps }) {
  const all = paths.flatMap(({ height }) => height.map(drawn));
  const low = Math.log10(Math.min(...all));
  const high = Math.log10(Math.min(Math.max(...all), TALLEST * drawn(paths[0].height[0])));
  return {
    data: [{ type: "scatter", x: [], y: [] }], // only the axes
    layout: {
      uirevision: `${landscape} ${steps}`,
      margin: { l: 60, r: 10, t: 10, b: 45 },
      xaxis: { title: { text: "step" }, range: [0, 1.03 * steps], gridcolor: GRID, zeroline: false },
      yaxis: {
        type: "log",
        exponentformat: "power",
        tickfont: { size: 11 },
        dtick: Math.max(1, Math.ceil((high - low) / 8)),
        range: [low - 0.3, high + 0.3],
        gridcolor: GRID,
      },
    },
  };
}
