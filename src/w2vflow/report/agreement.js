// Predicted against measured times, concept by concept.

let agreementSpots = [];

function measuredSources() {
  return Object.keys(data.steps).filter((source) => data.steps[source].reference);
}

function agreementPoints(source) {
  const { mean, spread, reference } = data.steps[source];
  const across = data.steps[reference].mean;
  return data.concepts.map((_, concept) => ({ source, concept, x: across[concept], y: mean[concept], spread: spread[concept] ?? 0 }))
    .filter(({ x, y }) => known(x) && known(y));
}

function agreementNote(points) {
  if (points.length === 0) {
    return measuredSources().length
      ? "No concept was learned within the time of this run: there is nothing to compare yet."
      : "This page holds no measurement beside a prediction.";
  }
  return measuredSources().map((source) => [source, data.steps[source].mean.filter((t) => !known(t)).length])
    .filter(([, number]) => number > 0)
    .map(([source, number]) => `${nameOf(source)}: ${number} of ${data.concepts.length} concepts not learned within this time.`)
    .join(" ");
}

function drawAgreement() {
  const points = measuredSources().flatMap(agreementPoints);
  const place = byId("agreement");
  byId("agreement-note").textContent = agreementNote(points);
  place.parentElement.classList.toggle("nothing", points.length === 0);
  agreementSpots = [];
  if (points.length === 0) return;
  const every = points.flatMap(({ x, y }) => [x, y]);
  const ends = [Math.min(...every), Math.max(...every)];
  const log = ends[1] > 20 * ends[0];
  const range = log ? [ends[0] / 1.3, ends[1] * 1.3] : [Math.max(0, ends[0] - 0.08 * ends[1]), 1.08 * ends[1]];
  const chart = chartOn(place, { x: range, y: range, log, margin: { left: 62, right: 10, top: 8, bottom: 34 } });
  drawFrame(chart, { xTitle: "predicted time", yTitle: "measured time" });
  stroke(chart.pen, range.map((value) => [chart.toX(value), chart.toY(value)]), { ink: colour("soft"), dash: [6, 4] });
  for (const point of points) {
    const [x, y, ink] = [chart.toX(point.x), chart.toY(point.y), sourceColour(point.source)];
    const bar = [point.y - point.spread, point.y + point.spread].map((value) => [x, chart.toY(Math.max(value, range[0]))]);
    stroke(chart.pen, bar, { ink, width: 1.2 });
    drawDot(chart.pen, { x, y, size: 1 }, point.concept === state.concept ? 7 : 4.2, ink, colour("panel"));
    agreementSpots.push({ ...point, px: x, py: y });
  }
  place.shown = { points };
}

function spotUnder(event) {
  const { x, y } = pointerOn(byId("agreement"), event);
  const near = agreementSpots.filter(({ px, py }) => Math.hypot(px - x, py - y) < 12);
  return near.sort((a, b) => Math.hypot(a.px - x, a.py - y) - Math.hypot(b.px - x, b.py - y))[0];
}

function startAgreement() {
  whenChanged(["theme", "concept"], drawAgreement);
  const place = byId("agreement");
  new ResizeObserver(drawAgreement).observe(place);
  place.addEventListener("pointermove", (event) => {
    const spot = spotUnder(event);
    place.style.cursor = spot ? "pointer" : "default";
    place.title = spot ? `${data.concepts[spot.concept].name}. ${nameOf(spot.source)}: ${digits(spot.y)}, predicted ${digits(spot.x)}` : "";
  });
  place.addEventListener("click", (event) => {
    const spot = spotUnder(event);
    if (spot) change({ concept: spot.concept });
  });
}
