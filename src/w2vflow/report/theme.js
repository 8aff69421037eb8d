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
