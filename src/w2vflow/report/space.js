// Points in space on a canvas: drag to turn, scroll to come nearer. No WebGL, which not every computer has.

const canvas = byId("cloud");
const EYE = 4; // how far it is away, in lengths of an axis
const SEEN_AT_FIRST = { turn: 48, tilt: 19, zoom: 1 };
const TOUCHED = 14; // pixels within which a point is meant

const camera = { ...SEEN_AT_FIRST };
let spots = []; // of the words, as last drawn
let pointer = null;

// From a place, in lengths of the axes, to pixels; `near` is how far it is in front of the centre.
function projection() {
  const [turn, tilt] = [camera.turn, camera.tilt].map((degrees) => (degrees * Math.PI) / 180);
  const [sin, cos, sinTilt, cosTilt] = [Math.sin(turn), Math.cos(turn), Math.sin(tilt), Math.cos(tilt)];
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = camera.zoom * Math.min(width / 2.5, height / 2.4);
  return ([a, b, c]) => {
    const outward = cos * a + sin * b;
    const near = cosTilt * outward + sinTilt * c;
    const size = EYE / Math.max(0.5, EYE - near);
    const [right, up] = [cos * b - sin * a, cosTilt * c - sinTilt * outward];
    return { x: width / 2 + scale * size * right, y: height / 2 - scale * size * up, near, size };
  };
}

function cleanCanvas(place) {
  const { clientWidth: width, clientHeight: height } = place;
  const sharp = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(sharp * width), Math.round(sharp * height)];
  if (place.width !== wide || place.height !== high) [place.width, place.height] = [wide, high];
  const pen = place.getContext("2d");
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

function setFont(pen, size) {
  pen.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
}

// With a rim in the colour behind it, so that it can be read on top of points.
function write(pen, text, x, y, ink) {
  [pen.lineWidth, pen.lineJoin, pen.strokeStyle] = [3, "round", colour("panel")];
  pen.strokeText(text, x, y);
  pen.fillStyle = ink;
  pen.fillText(text, x, y);
}

// Words stand at both ends of each.
function drawAxes(pen, project, ends) {
  const [soft, line] = [colour("soft"), colour("line")];
  setFont(pen, 12);
  pen.textBaseline = "middle";
  ends.forEach(([low, high], axis) => {
    const at = (length) => project([0, 1, 2].map((other) => (other === axis ? length : 0)));
    const [from, to] = [at(-1), at(1)];
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x, to.y);
    [pen.lineWidth, pen.strokeStyle] = [1.5, line];
    pen.stroke();
    for (const [text, length] of [[low, -1.06], [high, 1.06]]) {
      const { x, y } = at(length);
      const half = pen.measureText(text).width / 2 + 2;
      pen.textAlign = "center";
      write(pen, text, Math.min(canvas.clientWidth - half, Math.max(half, x)), Math.min(canvas.clientHeight - 8, Math.max(8, y)), soft);
    }
  });
}

function drawDot(pen, { x, y, size }, radius, fill, edge = null) {
  pen.beginPath();
  pen.arc(x, y, radius * size, 0, 2 * Math.PI);
  pen.fillStyle = fill;
  pen.fill();
  if (edge === null) return;
  pen.lineWidth = 1;
  pen.strokeStyle = edge;
  pen.stroke();
}

// The words furthest to the front last; what lies behind is fainter.
function drawWords(pen, fills, strength) {
  const order = spots.map((_, word) => word).sort((one, other) => spots[one].near - spots[other].near);
  for (const word of order) {
    pen.globalAlpha = strength * Math.min(1, 0.8 + 0.25 * spots[word].near);
    drawDot(pen, spots[word], 2.9, fills[word]);
  }
  pen.globalAlpha = 1;
}

// Each above its word; one that would lie on another is left out. Returns those that are there.
function drawLabels(pen, labels, taken) {
  [pen.textAlign, pen.textBaseline] = ["center", "alphabetic"];
  const ink = colour("ink");
  setFont(pen, 11);
  return labels.filter(({ word, text }) => {
    const { x, y } = spots[word];
    const half = pen.measureText(text).width / 2;
    const box = { left: x - half - 3, right: x + half + 3, top: y - 19, bottom: y - 5 };
    const meets = (other) =>
      box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom;
    if (taken.some(meets)) return false;
    taken.push(box);
    write(pen, text, x, y - 8, ink);
    return true;
  });
}

// A name in a frame, with a line to its word; returns their places.
function drawPointed(pen, { word, text }) {
  const { x, y } = spots[word];
  const accent = colour("followed");
  setFont(pen, 14);
  const half = pen.measureText(text).width / 2 + 5;
  const middle = Math.min(canvas.clientWidth - half - 1, Math.max(half + 1, x + 26));
  const box = { left: middle - half, right: middle + half, top: Math.max(1, y - 46), bottom: Math.max(23, y - 24) };
  [pen.strokeStyle, pen.lineWidth, pen.fillStyle] = [accent, 1.5, colour("panel")];
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(middle, box.bottom);
  pen.stroke();
  pen.fillRect(box.left, box.top, 2 * half, box.bottom - box.top);
  pen.strokeRect(box.left, box.top, 2 * half, box.bottom - box.top);
  [pen.textAlign, pen.textBaseline] = ["center", "middle"];
  write(pen, text, middle, (box.top + box.bottom) / 2, colour("ink"));
  drawDot(pen, spots[word], 7, accent, colour("ink"));
  return [box, { left: x - 9, right: x + 9, top: y - 9, bottom: y + 9 }];
}

function nearest({ x, y }) {
  const far = spots.map((spot) => Math.hypot(spot.x - x, spot.y - y));
  const close = far.map((_, word) => word).filter((word) => far[word] < TOUCHED);
  return close.length ? close.reduce((one, other) => (far[other] < far[one] ? other : one)) : null;
}

// What the pointer rests on, in words of the page itself.
function showUnderPointer(describe) {
  const word = pointer === null ? null : nearest(pointer);
  const note = byId("under");
  note.hidden = word === null;
  canvas.style.cursor = word === null ? "grab" : "pointer";
  if (word === null) return;
  note.replaceChildren(...describe(word).map((line) => element("div", line)));
  const { x, y } = spots[word];
  note.style.left = `${Math.min(Math.max(0, x + 10), canvas.clientWidth - note.offsetWidth)}px`;
  note.style.top = `${Math.max(0, y - note.offsetHeight - 8)}px`;
}

function within(event) {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function moveCamera(turn, tilt, zoom) {
  camera.turn += turn;
  camera.tilt = Math.min(90, Math.max(-90, camera.tilt + tilt));
  camera.zoom = Math.min(12, Math.max(0.4, camera.zoom * zoom));
}

const KEYS = {
  ArrowLeft: [-6, 0, 1], ArrowRight: [6, 0, 1], ArrowUp: [0, 6, 1], ArrowDown: [0, -6, 1], "+": [0, 0, 1.2], "-": [0, 0, 1 / 1.2],
};

// `draw` draws everything anew, `choose` is told of a word that was clicked, `describe` tells lines about one.
function startSpace({ draw, choose, describe }) {
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = { ...within(event), moved: 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = within(event);
    pointer = held === null ? at : null;
    if (held === null) return showUnderPointer(describe);
    const [right, down] = [at.x - held.x, at.y - held.y];
    held = { ...at, moved: held.moved + Math.abs(right) + Math.abs(down) };
    moveCamera(-0.4 * right, 0.4 * down, 1);
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const word = held !== null && held.moved < 4 ? nearest(within(event)) : null;
    held = null;
    if (word !== null) choose(word);
  });
  canvas.addEventListener("pointercancel", () => (held = null));
  canvas.addEventListener("pointerleave", () => {
    pointer = null;
    showUnderPointer(describe);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    moveCamera(0, 0, Math.exp(-0.0015 * event.deltaY));
    draw();
  });
  const asAtFirst = () => {
    Object.assign(camera, SEEN_AT_FIRST);
    draw();
  };
  canvas.addEventListener("dblclick", asAtFirst);
  byId("as-at-first").addEventListener("click", asAtFirst);
  for (const [id, zoom] of [["nearer", 1.3], ["farther", 1 / 1.3]]) {
    byId(id).addEventListener("click", () => {
      moveCamera(0, 0, zoom);
      draw();
    });
  }
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    moveCamera(...KEYS[event.key]);
    draw();
  });
  new ResizeObserver(draw).observe(canvas);
}
