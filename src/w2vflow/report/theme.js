// Dark and light: as the system has it until a person chooses.

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
let themeChosen = false;

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  byId("theme").textContent = dark ? "☀ Light" : "☾ Dark";
  change({ theme: dark ? "dark" : "light" });
}

function startTheme() {
  setTheme(prefersDark.matches);
  prefersDark.addEventListener("change", () => themeChosen || setTheme(prefersDark.matches));
  byId("theme").addEventListener("click", () => {
    themeChosen = true;
    setTheme(state.theme !== "dark");
  });
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const SOURCE_COLOURS = { theory: "theory", "theory-discrete": "discrete", flow: "flow", sgd: "sgd", gd: "gd" };

function sourceColour(source) {
  return colour(SOURCE_COLOURS[source] ?? "other");
}

// What all plots have in common.
function plotLayout(more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("ink"), size: 12, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line"), font: { color: colour("ink") } },
    showlegend: false,
    dragmode: false,
    ...more,
  };
}

function plotAxis(more) {
  return { gridcolor: colour("faint"), zeroline: false, linecolor: colour("line"), fixedrange: true, ...more };
}

const PLOT_SETTINGS = { responsive: true, displayModeBar: false, displaylogo: false, doubleClick: false };
