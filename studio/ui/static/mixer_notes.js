// The notes of the parts on a piano roll, under the desk's own playhead.
import { button, element, select } from "./mixer_controls.js";

const DRUMS = { 35: "Kick", 36: "Kick", 37: "Stick", 38: "Snare", 39: "Clap", 40: "Snare", 41: "Low tom", 42: "Hat", 44: "Pedal hat", 45: "Tom", 46: "Open hat", 47: "Tom", 48: "Tom", 49: "Crash", 50: "High tom", 51: "Ride", 56: "Cowbell", 70: "Maracas", 75: "Claves" };
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const ALL = "", GUTTER = 44;

export class NotesTool {
  id = "notes"; title = "MIDI"; needs = "notes";
  constructor(panels) {
    this.panels = panels;
    this.part = ALL;
    this.grid = "4";
    this.from = 0; // what is shown, in seconds
    this.span = 0; // 0: the whole
  }
  get mixer() { return this.panels.mixer; }
  get key() { return `notes-${this.mixer.sheet.parts.key}`; }
  get found() { return this.mixer.sheet.found[this.key] ?? null; }
  get parts() { return this.mixer.sheet.parts.strips.filter(({ name }) => (this.part === ALL || name === this.part) && this.found?.[name]); }

  show(box) {
    const { works, source } = this.panels, busy = works.isBusy("notes", source), strips = this.mixer.sheet.parts.strips;
    if (this.part !== ALL && !strips.some(({ name }) => name === this.part)) this.part = ALL;
    const again = () => this.show(box), options = { parts: this.part === ALL ? [] : [this.part], grid: Number(this.grid) };
    const exact = this.mixer.sheet.has_midi && this.mixer.sheet.parts.key === "true";
    const part = select({ label: "Part", value: this.part, choices: [[ALL, "All parts"], ...strips.map(({ name, label }) => [name, label])], chosen: (value) => { this.part = value; again(); } });
    const grid = exact ? null : select({ label: "Grid", value: this.grid, choices: [["0", "as played"], ["2", "1/8 grid"], ["4", "1/16 grid"], ["3", "triplet grid"], ["8", "1/32 grid"]], chosen: (value) => { this.grid = value; again(); } });
    const write = button(exact ? "Show the notes" : this.found ? "Listen again" : "Write down the notes", () => this.panels.start("notes", options), { className: "st-act mx-main", disabled: busy });
    const count = this.parts.reduce((sum, { name }) => sum + this.found[name].notes.length, 0);
    const carry = this.found && this.mixer.sheet.exports.some(({ what }) => what === "midi")
      ? button("Export MIDI", () => this.panels.start("export", { what: "midi", parts: this.parts.map(({ name }) => name) }), { disabled: !count }) : null;
    const melody = this.part !== ALL && count && !strips.find(({ name }) => name === this.part).is_drums
      ? button("Use as melody in Generate", () => this.mixer.act({ action: "melody", source, part: this.part, grid: options.grid })) : null;
    const zoom = element("span", { className: "mx-ab", role: "group", label: "How much is shown" }, ...[["All", 0], ["8 bars", 8], ["2 bars", 2]].map(([text, bars]) => {
      const made = button(text, () => { this.span = bars; again(); }, { disabled: bars > 0 && !this.mixer.sheet.beats });
      made.setAttribute("aria-pressed", this.span === bars);
      return made;
    }));
    this.canvas = element("canvas", { className: "mx-roll", tabIndex: 0, role: "img", label: `Piano roll: ${count} notes` });
    this.canvas.addEventListener("click", (event) => this.seekAt(event));
    const by = count ? [...new Set(this.parts.map(({ name }) => this.found[name].by))].map((each) => (each === "exact" ? "exact, as the sketch wrote them" : "heard by transcription")).join("; ") : "";
    box.replaceChildren(element("div", { className: "mx-bar" }, part, grid, write, element("span", { className: "st-spring" }), count ? zoom : null, melody, carry),
      element("p", { className: "st-note", text: count ? `${count} notes, ${by}.` : exact ? "A sketch knows its notes exactly." : "Each part is listened to by itself, drums by their strokes; separate a mix first." }), ...(count ? [this.canvas] : []));
    requestAnimationFrame(() => this.draw());
    clearInterval(this.timer);
    if (count) this.timer = setInterval(() => this.mixer.sound.playing && this.draw(), 50);
  }

  get window() {
    const { sheet, sound, ruler } = this.mixer;
    if (!this.span || !sheet.beats) return [0, sheet.seconds];
    const bar = (60 / sheet.beats.tempo_bpm) * sheet.beats.beats_a_bar, span = this.span * bar, first = ruler.bars[0] ?? 0;
    const from = Math.max(0, first + Math.floor((sound.position - first) / span + 1e-6) * span);
    return [from, from + span];
  }
  seekAt(event) {
    const box = this.canvas.getBoundingClientRect(), [from, to] = this.window;
    this.mixer.sound.seek(from + Math.max(0, (event.clientX - box.left - GUTTER) / (box.width - GUTTER)) * (to - from));
    this.draw();
  }
  draw() {
    const { canvas } = this, width = canvas?.clientWidth, height = canvas?.clientHeight, ratio = devicePixelRatio || 1;
    if (!width || !this.found) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.body), dark = document.body.classList.contains("dark");
    const colour = (name) => style.getPropertyValue(name), [from, to] = this.window;
    const all = this.parts.flatMap(({ name }) => this.found[name].notes.map((each) => each[2]));
    const low = Math.min(...all) - 2, high = Math.max(...all) + 2, rows = high - low + 1, tall = height / rows;
    const x = (seconds) => GUTTER + ((seconds - from) / (to - from)) * (width - GUTTER), y = (pitch) => (high - pitch) * tall;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = "10px Inter, Segoe UI, system-ui, sans-serif";
    pen.textBaseline = "middle";
    const drumsOnly = this.parts.every(({ is_drums }) => is_drums);
    for (let pitch = low; pitch <= high; pitch++) {
      if (!drumsOnly && [1, 3, 6, 8, 10].includes(pitch % 12)) { pen.fillStyle = colour("--st-raised"); pen.globalAlpha = 0.6; pen.fillRect(GUTTER, y(pitch), width, tall); pen.globalAlpha = 1; }
      const named = drumsOnly ? all.includes(pitch) && DRUMS[pitch] : pitch % 12 === 0 ? `${NAMES[0]}${pitch / 12 - 1}` : tall > 9 ? NAMES[pitch % 12] : "";
      if (!named) continue;
      pen.fillStyle = colour("--st-muted");
      pen.fillText(named, 4, y(pitch) + tall / 2);
      pen.fillStyle = colour("--st-line");
      pen.fillRect(GUTTER, y(pitch) + tall, width, 0.5);
    }
    for (const bar of this.mixer.ruler.bars) if (bar >= from - 1e-6 && bar <= to && x(1) - x(0) > 1) { pen.fillStyle = colour("--st-line"); pen.fillRect(x(bar), 0, 1, height); }
    for (const { name } of this.parts) {
      const { hue } = this.mixer.lanes.get(name);
      for (const [start, end, pitch, velocity] of this.found[name].notes) {
        if (end < from || start > to) continue;
        pen.fillStyle = `hsl(${hue} ${dark ? "62% 64%" : "58% 42%"})`;
        pen.globalAlpha = 0.35 + 0.65 * (velocity / 127);
        const left = Math.max(GUTTER, x(start));
        pen.beginPath();
        pen.roundRect(left, y(pitch) + 0.5, Math.max(2, x(end) - left - 0.5), Math.max(2, tall - 1), Math.min(2.5, tall / 3));
        pen.fill();
      }
    }
    pen.globalAlpha = 1;
    const at = this.mixer.sound.position;
    if (at >= from && at <= to) { pen.fillStyle = colour("--st-text"); pen.fillRect(x(at) - 0.75, 0, 1.5, height); }
  }
}
