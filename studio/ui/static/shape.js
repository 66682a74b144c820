// Shaping the take on the deck: a marked part, its versions, and the edits that make new ones. The server does the work;
// here is only what the user points at.
const $ = (id) => document.getElementById(id);
const NEAR = 5; // pixels a press may move and still be a press

export class Shape {
  constructor(deck, act) {
    this.deck = deck;
    this.act = act;
    this.region = null; // [start, end] in seconds
    this.snap = "bars";
    const canvas = deck.canvas;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    $("st-repaint").addEventListener("click", () => this.ask("repaint", { start: this.region?.[0], end: this.region?.[1], snap: this.snap, words: $("st-words").value }));
    $("st-continue").addEventListener("click", () => this.ask("continue", { from: this.region?.[0], seconds: Number($("st-more-seconds").value), words: $("st-words").value }));
    $("st-vary").addEventListener("click", () => this.ask("vary", { closeness: Number($("st-closeness").value) }));
    deck.onShow = () => this.show();
    deck.drawOver = (pen, width, height) => this.draw(pen, width, height);
  }

  ask(action, values) {
    if (this.deck.now?.take) this.act({ action, take: this.deck.now.take, ...values });
  }

  // --- marking ------------------------------------------------------------------------------------------------
  at(event) {
    const box = this.deck.canvas.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.deck.now.seconds;
  }
  press(event) {
    if (!this.deck.now?.seconds) return;
    this.from = { x: event.clientX, seconds: this.at(event) };
    this.deck.canvas.setPointerCapture(event.pointerId);
  }
  drag(event) {
    if (!this.from || this.deck.now.live || Math.abs(event.clientX - this.from.x) <= NEAR) return;
    this.region = [this.from.seconds, this.at(event)].sort((a, b) => a - b);
    this.deck.draw();
  }
  release(event) {
    if (!this.from) return;
    const moved = Math.abs(event.clientX - this.from.x) > NEAR && !this.deck.now.live;
    this.from = null;
    if (!moved) { this.region = null; this.deck.seek(this.at(event)); }
    else { this.snap = event.altKey ? "off" : "bars"; this.region = event.altKey ? this.region : this.snapped(this.region); }
    this.say();
    this.deck.draw();
  }
  // To the nearest bar lines, at least one bar long.
  snapped([start, end]) {
    const bar = this.deck.now.bar_seconds, seconds = this.deck.now.seconds;
    if (!bar) return [start, end];
    const first = Math.min(Math.round(start / bar), Math.max(0, Math.ceil(seconds / bar) - 1));
    const last = Math.max(first + 1, Math.round(end / bar));
    return [first * bar, Math.min(last * bar, seconds)];
  }

  // --- showing ------------------------------------------------------------------------------------------------
  show() {
    const now = this.deck.now;
    this.region = null;
    $("st-shape").classList.toggle("st-hidden", !now?.take || now.live);
    const versions = (now.versions ?? []).length > 1 ? now.versions : [];
    $("st-versions").replaceChildren(...versions.map(({ take, name }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("aria-pressed", take === now.take);
      button.onclick = () => this.deck.loadTake(take, { play: !this.deck.audio.paused, at: this.deck.audio.currentTime });
      return button;
    }));
    this.say();
  }
  say() {
    $("st-repaint").disabled = !this.region;
    $("st-region").textContent = this.region
      ? `Marked ${this.region.map((seconds) => seconds.toFixed(1)).join(" to ")} s`
      : "Drag over the waveform to mark a part; with Alt, off the bars.";
  }
  draw(pen, width, height) {
    if (!this.region) return;
    const [left, right] = this.region.map((seconds) => (seconds / this.deck.now.seconds) * width);
    const style = getComputedStyle(document.body);
    pen.fillStyle = style.getPropertyValue("--st-cool");
    pen.globalAlpha = 0.22;
    pen.fillRect(left, 0, right - left, height);
    pen.globalAlpha = 1;
    pen.fillRect(left, 0, 2, height);
    pen.fillRect(right - 2, 0, 2, height);
  }
}
