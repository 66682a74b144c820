// The desk's controls: knobs and faders that are range inputs underneath, so that keys and screen readers work as ever.
export function element(tag, { className, text, title, label, ...rest } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (title) made.title = title;
  if (label) made.setAttribute("aria-label", label);
  for (const [name, value] of Object.entries(rest)) {
    if (name in made && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const button = (text, onclick, { className = "st-act", ...rest } = {}) =>
  element("button", { type: "button", className, text, onclick, ...rest });

export const decibels = (db) => (db <= -60 ? "−∞" : `${db > 0 ? "+" : ""}${db.toFixed(1)}`.replace("-", "−"));
export const panned = (pan) => (Math.abs(pan) < 0.005 ? "C" : `${Math.round(Math.abs(pan) * 100)} ${pan < 0 ? "L" : "R"}`);
export const percent = (share) => `${Math.round(share * 100)} %`;

// A fader's travel is finer near 0 dB: 0 to 1 along the way to decibels and back.
const TRAVEL = [[0, -60], [0.1, -40], [0.3, -24], [0.5, -12], [0.78, 0], [1, 12]];
function along(table, from, to, value) {
  for (let i = 1; i < table.length; i++) {
    const [a, b] = [table[i - 1], table[i]];
    if (value <= b[from]) return a[to] + ((value - a[from]) / (b[from] - a[from])) * (b[to] - a[to]);
  }
  return table.at(-1)[to];
}
export const toDb = (way) => along(TRAVEL, 0, 1, way);
export const toWay = (db) => along(TRAVEL, 1, 0, Math.max(-60, Math.min(12, db)));

// Tells of every move (input) and of its end (change); a double click goes back to where it stands by default. A key that is
// held moves it once, from its first step to its last, however slowly they come.
function wire(input, { back, show, moved, settled }) {
  let isHeld = false, hasMoved = false;
  const end = () => { isHeld = false; if (hasMoved) { hasMoved = false; settled(); } };
  input.addEventListener("input", () => { show(); moved(); });
  input.addEventListener("change", () => { hasMoved = true; if (!isHeld) end(); });
  input.addEventListener("keydown", ({ key }) => { isHeld = /^(Arrow|Page|Home|End)/.test(key); });
  input.addEventListener("keyup", end);
  input.addEventListener("blur", end);
  input.addEventListener("dblclick", () => { input.value = back; show(); moved(); settled(); });
  show();
}

export function fader({ label, value, moved, settled }) {
  const input = element("input", { type: "range", min: 0, max: 1, step: 0.002, value: toWay(value), label });
  const meter = element("i", { className: "mx-meter" });
  const read = element("output", { className: "mx-read" });
  const box = element("div", { className: "mx-fader" }, element("div", { className: "mx-groove" }, meter, input), read);
  const show = () => {
    const db = toDb(Number(input.value));
    read.textContent = decibels(db);
    input.setAttribute("aria-valuetext", `${decibels(db)} dB`);
    box.style.setProperty("--way", input.value);
  };
  wire(input, { back: toWay(0), show, moved: () => moved(toDb(Number(input.value))), settled });
  return { box, meter, set: (db) => { input.value = toWay(db); show(); } };
}

const ARC = "M7.76 24.24 A12 12 0 1 1 24.24 24.24";
export function knob({ label, value, min, max, step = 0.01, back = 0, read, moved, settled, centred = false }) {
  const input = element("input", { type: "range", min, max, step, value, label, title: `${label}; double-click: back` });
  const told = element("output", {});
  const dial = element("span", { className: "mx-dial" });
  dial.innerHTML = `<svg viewBox="0 0 32 32" aria-hidden="true"><path class="mx-arc" d="${ARC}" pathLength="100"/><path class="mx-turn" d="${ARC}" pathLength="100"/><line x1="16" y1="16" x2="16" y2="6.5"/></svg>`;
  const box = element("label", { className: "mx-knob" }, dial, input, element("span", { className: "mx-cap", text: label.split(",").at(-1).trim() }), told);
  const [turn, line] = [dial.querySelector(".mx-turn"), dial.querySelector("line")];
  const show = () => {
    const share = (Number(input.value) - min) / (max - min), from = centred ? 0.5 : 0;
    const [a, b] = [Math.min(share, from), Math.max(share, from)];
    turn.style.visibility = b - a > 0.004 ? "visible" : "hidden";
    turn.style.strokeDasharray = `${(b - a) * 100} 300`;
    turn.style.strokeDashoffset = String(-a * 100);
    line.style.transform = `rotate(${(share - 0.5) * 270}deg)`;
    told.textContent = read(Number(input.value));
    input.setAttribute("aria-valuetext", told.textContent);
  };
  wire(input, { back, show, moved: () => moved(Number(input.value)), settled });
  drag(box, input, () => { show(); moved(Number(input.value)); }, settled);
  return { box, set: (next) => { input.value = next; show(); } };
}

// Up is more: 160 pixels are the whole way, with Shift ten times as fine.
function drag(box, input, moved, settled) {
  let from = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = { y: event.clientY, value: Number(input.value), pointer: event.pointerId };
    box.setPointerCapture(event.pointerId);
    input.focus({ preventScroll: true });
    event.preventDefault();
  });
  box.addEventListener("pointermove", (event) => {
    if (!from) return;
    const span = Number(input.max) - Number(input.min);
    const next = String(from.value + ((from.y - event.clientY) / (event.shiftKey ? 1600 : 160)) * span);
    if (next !== input.value) { input.value = next; moved(); }
  });
  const end = () => { if (from && Number(input.value) !== from.value) settled(); from = null; };
  box.addEventListener("pointerup", end);
  box.addEventListener("pointercancel", end);
  box.addEventListener("dblclick", () => input.dispatchEvent(new MouseEvent("dblclick")));
}

export function select({ label, value, choices, chosen }) {
  const box = element("select", { className: "mx-select", label });
  box.append(...choices.map(([key, text]) => element("option", { value: key, text })));
  box.value = value;
  box.onchange = ({ target }) => chosen(target.value);
  return box;
}

export function drawPeaks(canvas, peaks, { colour, share = 1 } = {}) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d"), middle = height / 2;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colour;
  pen.globalAlpha = share;
  for (let x = 0; x < width; x += 2) {
    const from = Math.floor((x / width) * peaks.length), to = Math.max(from + 1, Math.floor(((x + 2) / width) * peaks.length));
    let peak = 0;
    for (let i = from; i < to && i < peaks.length; i++) peak = Math.max(peak, peaks[i]);
    const tall = Math.max(0.5, (peak / 100) ** 0.8 * (middle - 3));
    pen.fillRect(x, middle - tall, 1.4, 2 * tall);
  }
}
