// Lines and points on a canvas with two axes. Drawn in a millisecond, so that curves follow a slider.

// Whole multiples of 1, 2 or 5 within a range, at most so many.
function ticksOf(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9 * step; tick += step) found.push(Math.abs(tick) < 1e-9 * step ? 0 : tick);
  return found;
}

function tickLabel(value, spacing) {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e6 || size < 1e-3) return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
  const decimals = Math.max(0, -Math.floor(Math.log10(spacing) + 1e-9));
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

// `x` and `y` are ranges; `log` of both; margins in pixels. Returns what places numbers on the canvas.
function chartOn(place, { x, y, log = false, margin }) {
  const { clientWidth: width, clientHeight: height } = place;
  const scale = (value) => (log ? Math.log10(value) : value);
  const along = (value, [low, high], from, to) => from + ((scale(value) - scale(low)) / (scale(high) - scale(low) || 1)) * (to - from);
  const box = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
  return {
    place, pen: cleanCanvas(place), box, x, y, log,
    toX: (value) => along(value, x, box.left, box.right),
    toY: (value) => along(value, y, box.bottom, box.top),
    fromX: (pixel) => x[0] + ((pixel - box.left) / (box.right - box.left)) * (x[1] - x[0]),
    fromY: (pixel) => y[0] + ((box.bottom - pixel) / (box.bottom - box.top)) * (y[1] - y[0]),
  };
}

function logTicks([low, high]) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const digit of [1, 2, 5]) if (digit * 10 ** power >= low && digit * 10 ** power <= high) found.push(digit * 10 ** power);
  }
  return found;
}

function drawFrame(chart, { xTitle = "", yTitle = "", yTicks = 5, xTicks = 6, grid = true }) {
  const { pen, box, toX, toY, log } = chart;
  const [soft, faint, line] = [colour("soft"), colour("faint"), colour("line")];
  setFont(pen, 11);
  pen.fillStyle = soft;
  pen.lineWidth = 1;
  const across = log ? logTicks(chart.x) : ticksOf(...chart.x, xTicks);
  const up = log ? logTicks(chart.y) : ticksOf(...chart.y, yTicks);
  [pen.textAlign, pen.textBaseline] = ["center", "top"];
  across.forEach((tick) => pen.fillText(tickLabel(tick, log ? tick : across[1] - across[0] || 1), toX(tick), box.bottom + 5));
  [pen.textAlign, pen.textBaseline] = ["right", "middle"];
  up.forEach((tick) => {
    if (grid) stroke(pen, [[box.left, toY(tick)], [box.right, toY(tick)]], { ink: faint });
    pen.fillText(tickLabel(tick, log ? tick : up[1] - up[0] || 1), box.left - 5, toY(tick));
  });
  stroke(pen, [[box.left, box.top], [box.left, box.bottom], [box.right, box.bottom]], { ink: line });
  [pen.textAlign, pen.textBaseline] = ["right", "bottom"];
  if (xTitle) pen.fillText(xTitle, box.right, chart.place.clientHeight - 1);
  if (!yTitle) return;
  pen.save();
  pen.translate(11, (box.top + box.bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(yTitle, 0, 0);
  pen.restore();
}

// A line through points in pixels; one that is not known leaves a gap.
function stroke(pen, points, { ink, width = 1, dash = [], strength = 1 }) {
  pen.save();
  pen.setLineDash(dash);
  [pen.strokeStyle, pen.lineWidth, pen.globalAlpha, pen.lineJoin] = [ink, width, strength, "round"];
  pen.beginPath();
  let begun = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) begun = false;
    else if (begun) pen.lineTo(x, y);
    else {
      pen.moveTo(x, y);
      begun = true;
    }
  }
  pen.stroke();
  pen.restore();
}

function drawCurve(chart, ts, values, style) {
  stroke(chart.pen, ts.map((t, at) => [chart.toX(t), known(values[at]) ? chart.toY(values[at]) : NaN]), style);
}

// Labels at the right end of curves, moved apart; returns those for which there was room.
function drawEndLabels(chart, labels) {
  const { pen, box } = chart;
  setFont(pen, 11);
  [pen.textAlign, pen.textBaseline] = ["left", "middle"];
  let last = -Infinity;
  return [...labels].sort((a, b) => a.y - b.y).filter(({ text, y, ink }) => {
    const at = Math.max(y, last + 12);
    if (at > box.bottom + 4 || at > y + 30) return false;
    last = at;
    pen.fillStyle = ink;
    pen.fillText(text, box.right + 5, at);
    return true;
  });
}

function pointerOn(place, event) {
  const box = place.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}
