// The chain editor: effects one after another, their knobs built from what the server says of them.
import { button, decibels, element, knob, percent, select } from "./mixer_controls.js";
import { ask } from "./mixer_ask.js";

const SUM = "", MOST_KNOBS = 24;
const BEATS = [["", "free"], ["0.25", "1/16"], ["0.5", "1/8"], ["0.75", "1/8 dotted"], ["1", "1/4"], ["1.5", "1/4 dotted"], ["2", "1/2"], ["4", "1/1"]];
const SHAPES = ["peak", "low shelf", "high shelf", "low cut", "high cut"];
const words = (name) => name.replace(/_(hz|db|ms|seconds)$/, "").replaceAll("_", " ");
const title = (name) => name[0].toUpperCase() + name.slice(1);

// How a value is read and how the knob travels to it.
export function scaleOf(name, { least, most }) {
  const log = /_hz$|_ms$/.test(name) || name === "ratio";
  const low = Math.max(least, log ? 0.01 : least);
  const toValue = (share) => (log ? low * (most / low) ** share : least + share * (most - least));
  const toShare = (value) => (log ? Math.log(Math.max(value, low) / low) / Math.log(most / low) : (value - least) / (most - least));
  const read = (value) => {
    if (/_hz$/.test(name)) return value >= 1000 ? `${(value / 1000).toFixed(value >= 10000 ? 0 : 1)} kHz` : `${Math.round(value)} Hz`;
    if (/_db$/.test(name)) return `${decibels(value)} dB`;
    if (/_ms$/.test(name)) return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
    if (/seconds$/.test(name)) return `${value.toFixed(2)} s`;
    if (name === "ratio") return `${value.toFixed(1)} : 1`;
    if (most === 1 && least === 0) return percent(value);
    return value.toFixed(most > 10 ? 0 : 2);
  };
  return { toValue, toShare, read };
}

export class EffectsPanel {
  constructor(mixer) {
    this.mixer = mixer;
    this.name = null; // the strip whose chain is shown; SUM for the sum's
    this.known = null;
  }
  get chain() { return this.name === SUM ? this.mixer.mix.chain : this.mixer.strip(this.name)?.chain ?? { effects: [] }; }

  async show(box) {
    const strips = this.mixer.sheet.parts.strips;
    if (this.name !== SUM && !strips.some(({ name }) => name === this.name)) this.name = strips[0].name;
    this.known ??= await ask("effects.json");
    if (box.dataset.tool !== "effects") return; // another tool was chosen meanwhile
    const choices = [...strips.map(({ name, label }) => [name, label]), [SUM, "Sum"]];
    const head = element("div", { className: "mx-bar" },
      select({ label: "Effects of", value: this.name, choices, chosen: (name) => { this.name = name; this.show(box); } }),
      this.presets(box), this.adding(box), this.plugging(box), element("span", { className: "st-spring" }), ...this.comparing());
    const cards = this.chain.effects.map((effect, at) => this.card(effect, at, box));
    if (!cards.length) cards.push(element("p", { className: "st-note", text: "No effects here. Add one, or begin with a preset." }));
    box.replaceChildren(head, element("div", { className: "mx-rack" }, ...cards));
  }
  presets(box) {
    const { presets } = this.known;
    if (!presets.length) return null;
    return select({ label: "Preset", value: "", choices: [["", "Preset …"], ...presets.map(({ id, name }) => [id, name])],
      chosen: (id) => { if (id) this.set({ effects: presets.find((each) => each.id === id).effects }, box); } });
  }
  adding(box) {
    const kinds = Object.keys(this.known.kinds);
    return select({ label: "Add an effect", value: "", choices: [["", "Add an effect …"], ...kinds.map((kind) => [kind, title(kind)])],
      chosen: (kind) => { if (kind) this.set({ effects: [...this.chain.effects, this.fresh(kind)] }, box); } });
  }
  // A VST3 of this machine: only its own user is offered it. It is tried in a process of its own first.
  plugging(box) {
    if (!this.mixer.sheet.plugins) return null;
    const path = element("input", { type: "text", className: "mx-number mx-path", placeholder: "/path/to/effect.vst3", label: "A VST3 effect of this machine" });
    const add = async () => {
      if (!path.value.trim()) return;
      this.mixer.say("Trying the plug-in …");
      try {
        const facts = await ask("plugins", { method: "POST", body: { path: path.value.trim() } });
        this.mixer.say("");
        await this.set({ effects: [...this.chain.effects, { kind: "plugin", on: true, path: facts.path, name: facts.name, values: Object.fromEntries(Object.entries(facts.values).slice(0, MOST_KNOBS)) }] }, box);
      } catch (error) { this.mixer.say(error.message, true); }
    };
    path.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); add(); } });
    const fold = element("details", { className: "mx-plug" }, element("summary", { className: "st-act", text: "VST3 …" }), element("span", { className: "mx-bar" }, path, button("Add", add)));
    return fold;
  }
  fresh(kind) {
    const values = Object.fromEntries(Object.entries(this.known.kinds[kind]).map(([name, { default: value }]) => [name, value]));
    const bands = [{ shape: "low cut", frequency_hz: 40, gain_db: 0, q: 0.71 }, { shape: "peak", frequency_hz: 350, gain_db: 0, q: 1 }, { shape: "high shelf", frequency_hz: 8000, gain_db: 0, q: 0.71 }];
    return { kind, on: true, ...values, ...(kind === "equalizer" ? { bands } : {}) };
  }
  // Before and after at one loudness: a strip at once, the sum through a rendering.
  comparing() {
    if (this.name === SUM) return this.mixer.panels.renderedSwitch();
    const on = this.mixer.sound.bypassed.has(this.name), has = this.chain.effects.some((effect) => effect.on);
    const before = button("Before", () => this.compare(true)), after = button("After", () => this.compare(false));
    before.setAttribute("aria-pressed", on);
    after.setAttribute("aria-pressed", !on);
    before.disabled = after.disabled = !has;
    return [element("span", { className: "mx-ab", role: "group", label: "Compare at one loudness", title: "At one loudness" }, before, after)];
  }
  async compare(without) {
    const { name, mixer } = this;
    if (!without) mixer.sound.bypass(name, null);
    else {
      await mixer.settled();
      const { dry_lufs, wet_lufs } = await ask(`${mixer.path}/strips/${encodeURIComponent(name)}/levels.json`);
      mixer.sound.bypass(name, dry_lufs !== null && wet_lufs !== null ? wet_lufs - dry_lufs : 0);
    }
    mixer.panels.show();
  }
  async set(chain, box) {
    const saved = this.mixer.setChain(this.name === SUM ? null : this.name, chain);
    if (box) await this.show(box);
    await saved;
  }
  change(at, values, box) {
    const effects = this.chain.effects.map((effect, n) => (n === at ? { ...effect, ...values } : effect));
    return this.set({ effects }, box);
  }

  // --- one effect -----------------------------------------------------------------------------------------------
  card(effect, at, box) {
    const { effects } = this.chain, move = (to) => {
      const next = [...effects];
      next.splice(to, 0, ...next.splice(at, 1));
      this.set({ effects: next }, box);
    };
    const icon = (text, label, does, disabled = false) => button(text, does, { className: "mx-mini", label: `${label} ${effect.kind}`, title: label, disabled });
    const on = icon("●", effect.on ? "Switch off" : "Switch on", () => this.change(at, { on: !effect.on }, box));
    on.setAttribute("aria-pressed", effect.on);
    const card = element("div", { className: `mx-effect${effect.on ? "" : " mx-off"}`, role: "group", label: title(effect.kind) },
      element("div", { className: "mx-effect-head" }, on, element("b", { text: effect.name || title(effect.kind) }), element("span", { className: "st-spring" }),
        icon("‹", "Earlier", () => move(at - 1), at === 0), icon("›", "Later", () => move(at + 1), at === effects.length - 1),
        icon("×", "Remove", () => this.set({ effects: effects.filter((_, n) => n !== at) }, box))));
    card.append(effect.kind === "equalizer" ? this.bands(effect, at, box) : this.knobs(effect, at));
    return card;
  }
  knobs(effect, at) {
    if (effect.kind === "plugin") return this.pluginKnobs(effect, at);
    const row = element("div", { className: "mx-knobs" });
    for (const [name, told] of Object.entries(this.known.kinds[effect.kind] ?? {})) row.append(this.control(effect, at, name, told));
    return row;
  }
  pluginKnobs(effect, at) {
    const told = { least: 0, most: 1, default: 0.5 };
    return element("div", { className: "mx-knobs" }, ...Object.entries(effect.values).map(([name, value]) => this.knobFor({ label: `${effect.name}, ${words(name)}`, name: "share", told: { ...told, default: value }, value,
      moved: (next) => { effect.values[name] = next; }, settled: () => this.change(at, { values: { ...effect.values } }) })));
  }
  control(effect, at, name, told) {
    const label = `${title(effect.kind)}, ${words(name)}`;
    if (told.options) return element("label", { className: "mx-choice" }, select({ label, value: effect[name], choices: told.options.map((each) => [each, each]), chosen: (value) => this.change(at, { [name]: value }) }), words(name));
    if (name === "beats") return element("label", { className: "mx-choice" }, select({ label, value: String(effect.beats ?? ""), choices: BEATS, chosen: (value) => this.change(at, { beats: value ? Number(value) : null }) }), "in beats");
    return this.knobFor({ label, name, told, value: effect[name], moved: (value) => { effect[name] = value; }, settled: () => this.change(at, { [name]: effect[name] }) });
  }
  knobFor({ label, name, told, value, moved, settled }) {
    const scale = scaleOf(name, told);
    return knob({ label, value: scale.toShare(value), min: 0, max: 1, step: 0.002, back: scale.toShare(told.default ?? value), centred: told.least < 0 && told.most > 0,
      read: (share) => scale.read(scale.toValue(share)), moved: (share) => moved(scale.toValue(share)), settled }).box;
  }

  // --- the equaliser --------------------------------------------------------------------------------------------
  bands(effect, at, box) {
    const rows = effect.bands.map((band, n) => {
      const settled = () => this.change(at, { bands: effect.bands });
      const told = { frequency_hz: { least: 20, most: 20000, default: 1000 }, gain_db: { least: -24, most: 24, default: 0 }, q: { least: 0.1, most: 12, default: 0.71 } };
      const of = (name) => this.knobFor({ label: `Band ${n + 1}, ${words(name)}`, name, told: told[name], value: band[name], settled,
        moved: (value) => { effect.bands[n] = { ...effect.bands[n], [name]: value }; this.drawCurve(curve, effect.bands); } });
      const shape = select({ label: `Band ${n + 1}, shape`, value: band.shape, choices: SHAPES.map((each) => [each, each]), chosen: (shape) => this.change(at, { bands: effect.bands.map((each, i) => (i === n ? { ...each, shape } : each)) }, box) });
      const away = button("×", () => this.change(at, { bands: effect.bands.filter((_, i) => i !== n) }, box), { className: "mx-mini", label: `Remove band ${n + 1}` });
      return element("div", { className: "mx-band" }, shape, of("frequency_hz"), band.shape.endsWith("cut") ? null : of("gain_db"), band.shape.endsWith("cut") ? null : of("q"), away);
    });
    const curve = element("canvas", { className: "mx-curve", "aria-hidden": "true" });
    const add = button("Add a band", () => this.change(at, { bands: [...effect.bands, { shape: "peak", frequency_hz: 1000, gain_db: 0, q: 1 }] }, box));
    setTimeout(() => this.drawCurve(curve, effect.bands));
    return element("div", { className: "mx-equaliser" }, curve, ...rows, effect.bands.length < 12 ? add : null);
  }
  // The curve by the browser's own filters, which are the cookbook's as the server's are.
  drawCurve(canvas, bands) {
    const width = canvas.clientWidth, height = canvas.clientHeight, ratio = devicePixelRatio || 1;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.body), points = Math.ceil(width / 2);
    const hertz = Float32Array.from({ length: points }, (_, i) => 20 * 1000 ** (i / (points - 1))), total = new Float32Array(points).fill(1);
    const offline = new OfflineAudioContext(1, 1, 44100), size = new Float32Array(points), phase = new Float32Array(points);
    const types = { peak: "peaking", "low shelf": "lowshelf", "high shelf": "highshelf", "low cut": "highpass", "high cut": "lowpass" };
    for (const band of bands) {
      const filter = new BiquadFilterNode(offline, { type: types[band.shape], frequency: band.frequency_hz, gain: band.gain_db, Q: band.shape.endsWith("cut") ? -3.01 : band.q });
      filter.getFrequencyResponse(hertz, size, phase);
      for (let i = 0; i < points; i++) total[i] *= size[i];
    }
    const y = (db) => height / 2 - (db / 26) * (height / 2);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.strokeStyle = style.getPropertyValue("--st-line");
    pen.beginPath();
    for (const db of [-12, 0, 12]) { pen.moveTo(0, y(db)); pen.lineTo(width, y(db)); }
    for (const f of [100, 1000, 10000]) { const x = (Math.log10(f / 20) / 3) * width; pen.moveTo(x, 0); pen.lineTo(x, height); }
    pen.stroke();
    pen.strokeStyle = style.getPropertyValue("--st-accent");
    pen.lineWidth = 2;
    pen.beginPath();
    total.forEach((value, i) => pen.lineTo(i * 2, y(Math.max(-26, 20 * Math.log10(Math.max(value, 1e-3))))));
    pen.stroke();
  }
}
