// The time: a slider, a button that plays, and steps to go to.

const SECONDS = 12;
const DIVISIONS = 1000;
let playing = null;

function setPlaying(on) {
  byId("play").setAttribute("aria-pressed", on);
  if (!on) {
    cancelAnimationFrame(playing);
    playing = null;
    return;
  }
  let last = null;
  const advance = (now) => {
    const passed = last === null ? 0 : ((now - last) / 1000 / SECONDS) * (view.last - view.first);
    last = now;
    change({ time: Math.min(view.last, state.time + passed) });
    if (state.time >= view.last) setPlaying(false);
    else playing = requestAnimationFrame(advance);
  };
  if (state.time >= view.last) change({ time: view.first });
  playing = requestAnimationFrame(advance);
}

function showTime() {
  const first = view.stepTimes[0];
  const share = view.last > view.first ? (state.time - view.first) / (view.last - view.first) : 0;
  const text = `t = ${digits(state.time, 3)}` + (known(first) ? ` = ${(state.time / first).toFixed(2)} t₁` : "");
  byId("time").value = Math.round(DIVISIONS * share);
  byId("time").setAttribute("aria-valuetext", text);
  byId("now").textContent = text;
}

function goToStep(direction) {
  const margin = 1e-6 * (view.last - view.first);
  const times = view.stepTimes.filter((t) => known(t) && t >= view.first && t <= view.last).sort((a, b) => a - b);
  const next = direction > 0
    ? times.find((t) => t > state.time + margin) ?? view.last
    : times.findLast((t) => t < state.time - margin) ?? view.first;
  setPlaying(false);
  change({ time: next });
}

function drawMarks() {
  const marks = view.stepTimes.map((time, concept) => {
    if (!known(time) || time > view.last) return null;
    const mark = element("i", "", { class: concept === state.concept ? "chosen" : "" });
    mark.style.left = `${(100 * (time - view.first)) / (view.last - view.first || 1)}%`;
    return mark;
  });
  byId("marks").replaceChildren(...marks.filter((mark) => mark !== null));
}

function startClock() {
  byId("time").addEventListener("input", (event) => {
    setPlaying(false);
    change({ time: view.first + (event.target.value / DIVISIONS) * (view.last - view.first) });
  });
  byId("play").addEventListener("click", () => setPlaying(playing === null));
  byId("before").addEventListener("click", () => goToStep(-1));
  byId("after").addEventListener("click", () => goToStep(1));
  whenChanged(["time", "view"], showTime);
  whenChanged(["concept", "view"], drawMarks);
  showTime();
  drawMarks();
  document.addEventListener("keydown", keyPressed);
  if (window.parent !== window) shareTime();
}

// Beside another run, on a page around both: the time is one. Only a number goes across.
function shareTime() {
  let told = null;
  whenChanged(["time"], () => {
    const share = (state.time - view.first) / (view.last - view.first || 1);
    if (share !== told) window.parent.postMessage({ share }, "*");
  });
  window.addEventListener("message", (event) => {
    const share = event.source === window.parent ? event.data?.share : null;
    if (!(share >= 0 && share <= 1)) return;
    told = share;
    setPlaying(false);
    change({ time: view.first + share * (view.last - view.first) });
    told = null;
  });
}

// Space plays and arrows step from wherever one is, except where a key means something else already.
function keyPressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, canvas[tabindex], [role=region]")) return;
  if (event.key === " " && !event.target.closest("button, summary, a")) {
    event.preventDefault();
    setPlaying(playing === null);
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    goToStep(event.key === "ArrowRight" ? 1 : -1);
  }
}
