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
    const passed = last === null ? 0 : ((now - last) / 1000 / SECONDS) * (lastTime - firstTime);
    last = now;
    change({ time: Math.min(lastTime, state.time + passed) });
    if (state.time >= lastTime) setPlaying(false);
    else playing = requestAnimationFrame(advance);
  };
  if (state.time >= lastTime) change({ time: firstTime });
  playing = requestAnimationFrame(advance);
}

function showTime() {
  const first = stepTimes[0];
  const share = lastTime > firstTime ? (state.time - firstTime) / (lastTime - firstTime) : 0;
  const text = `t = ${digits(state.time, 3)}` + (known(first) ? ` = ${(state.time / first).toFixed(2)} t₁` : "");
  byId("time").value = Math.round(DIVISIONS * share);
  byId("time").setAttribute("aria-valuetext", text);
  byId("now").textContent = text;
}

function goToStep(direction) {
  const margin = 1e-6 * (lastTime - firstTime);
  const times = stepTimes.filter((t) => known(t) && t >= firstTime && t <= lastTime).sort((a, b) => a - b);
  const next = direction > 0
    ? times.find((t) => t > state.time + margin) ?? lastTime
    : times.findLast((t) => t < state.time - margin) ?? firstTime;
  setPlaying(false);
  change({ time: next });
}

function drawMarks() {
  const marks = stepTimes.map((time, concept) => {
    if (!known(time) || time > lastTime) return null;
    const mark = element("i", "", { class: concept === state.concept ? "chosen" : "" });
    mark.style.left = `${(100 * (time - firstTime)) / (lastTime - firstTime || 1)}%`;
    return mark;
  });
  byId("marks").replaceChildren(...marks.filter((mark) => mark !== null));
}

function startClock() {
  byId("time").addEventListener("input", (event) => {
    setPlaying(false);
    change({ time: firstTime + (event.target.value / DIVISIONS) * (lastTime - firstTime) });
  });
  byId("play").addEventListener("click", () => setPlaying(playing === null));
  byId("before").addEventListener("click", () => goToStep(-1));
  byId("after").addEventListener("click", () => goToStep(1));
  whenChanged(["time"], showTime);
  whenChanged(["concept"], drawMarks);
  showTime();
  drawMarks();
}
