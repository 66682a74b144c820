// The ruler over the strips: sections, bars, the marked region and the playhead. It knows where the beats are, not how
// they were found.
const $ = (id) => document.getElementById(id);
const NEAR = 5;

export class Ruler {
  constructor(mixer) {
    this.mixer = mixer;
    this.marked = null;
    this.canvas = $("mx-ruler");
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
  }
  get seconds() { return this.mixer.sheet?.seconds ?? 0; }
  get beats() { return this.mixer.sheet?.beats ?? null; }
  get bars() { return this.beats?.downbeats_seconds ?? []; }

  // --- places -------------------------------------------------------------------------------------------------
  at(event) {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.seconds;
  }
  // "12.3": bar and beat.
  placeOf(seconds) {
    const { beats } = this;
    if (!beats?.beats_seconds.length) return "";
    const step = 60 / beats.tempo_bpm, first = beats.downbeats_seconds[0] ?? beats.beats_seconds[0];
    const beat = Math.floor((seconds - first) / step + 1e-6), a = beats.beats_a_bar;
    return `${Math.floor(beat / a) + 1}.${((beat % a) + a) % a + 1}`;
  }
  nearest(seconds, among) {
    return among.reduce((best, each) => (Math.abs(each - seconds) < Math.abs(best - seconds) ? each : best), among[0] ?? seconds);
  }
  snapped([start, end]) {
    const lines = this.beats ? [...this.beats.beats_seconds] : [];
    if (lines.length < 2) return [start, end];
    const [a, b] = [this.nearest(start, lines), this.nearest(end, lines)];
    return b > a ? [a, b] : [start, end];
  }
  barAt(seconds) {
    const { bars } = this, n = bars.findLastIndex((bar) => bar <= seconds + 1e-6);
    if (n < 0 || n + 1 >= bars.length) return [0, this.seconds];
    return [bars[n], bars[Math.min(bars.length - 1, n + 4)]];
  }

  // --- pointing -----------------------------------------------------------------------------------------------
  seekAt(event) { if (this.mixer.sheet) this.mixer.sound.seek(this.at(event)); }
  press(event) {
    if (!this.mixer.sheet) return;
    this.from = { x: event.clientX, seconds: this.at(event) };
    this.canvas.setPointerCapture(event.pointerId);
  }
  drag(event) {
    if (!this.from || Math.abs(event.clientX - this.from.x) <= NEAR) return;
    this.marked = [this.from.seconds, this.at(event)].sort((a, b) => a - b);
    this.draw();
  }
  release(event) {
    if (!this.from) return;
    const moved = Math.abs(event.clientX - this.from.x) > NEAR;
    this.from = null;
    if (!moved) return this.mixer.sound.seek(this.at(event));
    this.mark(this.snapped(this.marked));
  }
  // A marked region is what plays round.
  mark(region) {
    this.marked = region;
    this.mixer.sound.setLoop(region);
    this.mixer.panels.onRegion();
  }
  clear() { this.marked = null; this.mixer.sound.setLoop(null); }
  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.mixer.sheet) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.mixer.sound.position, lines = this.bars;
    const next = step > 0 ? lines.find((bar) => bar > at + 0.05) : lines.findLast((bar) => bar < at - 0.15);
    this.mixer.sound.seek(next ?? at + 5 * step);
  }

  // --- showing ------------------------------------------------------------------------------------------------
  showHead(seconds) {
    const head = $("mx-head"), canvas = this.canvas;
    if (!this.seconds || !canvas.clientWidth) return;
    const tenths = seconds.toFixed(1);
    if (canvas.ariaValueNow !== tenths || canvas.ariaValueMax !== String(this.seconds)) {
      Object.assign(canvas, { ariaValueMax: String(this.seconds), ariaValueNow: tenths, ariaValueText: `${tenths} s${this.placeOf(seconds) && `, bar and beat ${this.placeOf(seconds)}`}` });
    }
    head.style.transform = `translateX(${canvas.offsetLeft + (seconds / this.seconds) * canvas.clientWidth}px)`;
  }
  draw() {
    const { canvas } = this, width = canvas.clientWidth, height = canvas.clientHeight, ratio = devicePixelRatio || 1;
    if (!width || !this.seconds) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.body);
    const colour = (name) => style.getPropertyValue(name), x = (seconds) => (seconds / this.seconds) * width;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = "11px Inter, Segoe UI, system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (const { name, start, end, energy } of this.mixer.sheet.sections) {
      pen.globalAlpha = 0.25 + 0.5 * energy;
      pen.fillStyle = colour("--st-accent-soft");
      pen.fillRect(x(start), 0, Math.max(1, x(end) - x(start) - 1), 16);
      pen.globalAlpha = 1;
      pen.fillStyle = colour("--st-muted");
      pen.save();
      pen.beginPath();
      pen.rect(x(start), 0, x(end) - x(start) - 2, 16);
      pen.clip();
      pen.fillText(name[0].toUpperCase() + name.slice(1), x(start) + 5, 8.5);
      pen.restore();
    }
    this.drawBars(pen, x, colour, height);
    const region = this.mixer.sound.loop ?? this.marked;
    if (region) {
      pen.fillStyle = colour("--st-cool");
      pen.globalAlpha = this.mixer.sound.loop ? 0.3 : 0.14;
      pen.fillRect(x(region[0]), 17, x(region[1]) - x(region[0]), height - 17);
      pen.globalAlpha = 1;
      for (const edge of region) pen.fillRect(x(edge) - 1, 17, 2, height - 17);
    }
    const shade = $("mx-region");
    shade.classList.toggle("st-hidden", !region);
    if (region) Object.assign(shade.style, { left: `${canvas.offsetLeft + x(region[0])}px`, width: `${x(region[1]) - x(region[0])}px` });
    this.showHead(this.mixer.sound.position);
  }
  drawBars(pen, x, colour, height) {
    const { bars } = this;
    if (!bars.length) return;
    const apart = x(bars[1] ?? this.seconds) - x(bars[0]);
    const every = [1, 2, 4, 8, 16, 32, 64].find((n) => n * apart >= 30) ?? 128;
    bars.forEach((bar, n) => {
      const labelled = n % every === 0;
      if (!labelled && apart < 5) return;
      pen.fillStyle = colour("--st-line");
      pen.fillRect(x(bar), labelled ? 18 : 26, 1, height);
      if (!labelled) return;
      pen.fillStyle = colour("--st-muted");
      pen.fillText(String(n + 1), x(bar) + 4, 26);
    });
  }
}
