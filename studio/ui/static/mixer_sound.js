// The desk's sound: every part decoded once, all on one clock. The same graph plays live and renders offline, and it sums
// as studio/mix.py does. It knows nothing of how the desk looks.
const OFF_DB = -60, GLIDE = 0.012, SWAP = 0.02, AHEAD = 0.05;
export const factor = (db) => (db <= OFF_DB ? 0 : 10 ** (db / 20));

// The strips that sound: those soloed when any is, never a muted one.
export function heard(mix) {
  const solo = mix.strips.some((strip) => strip.solo);
  return new Set(mix.strips.filter((s) => !s.mute && (s.solo || !solo) && s.gain_db > OFF_DB).map((s) => s.name));
}

function gainNode(context, value, { channels = 0 } = {}) {
  const node = context.createGain();
  node.gain.value = value;
  if (channels) Object.assign(node, { channelCount: channels, channelCountMode: "explicit", channelInterpretation: "speakers" });
  return node;
}

// Gate, fader, panner and send of each strip, the room, and the sum.
export function buildGraph(context, mix, room) {
  const sum = gainNode(context, factor(mix.gain_db), { channels: 2 });
  const sends = gainNode(context, 1, { channels: 1 });
  const back = gainNode(context, factor(mix.room.gain_db));
  const convolver = context.createConvolver();
  convolver.normalize = false;
  if (room) convolver.buffer = room;
  sends.connect(convolver).connect(back).connect(sum);
  const open = heard(mix), strips = new Map();
  for (const strip of mix.strips) {
    const gate = gainNode(context, open.has(strip.name) ? 1 : 0, { channels: 2 });
    const fader = gainNode(context, factor(strip.gain_db));
    const pan = new StereoPannerNode(context, { pan: strip.pan, channelCount: 2, channelCountMode: "explicit" });
    const send = gainNode(context, strip.send);
    gate.connect(fader);
    fader.connect(pan).connect(sum);
    fader.connect(send).connect(sends);
    strips.set(strip.name, { gate, fader, pan, send });
  }
  return { sum, convolver, back, strips };
}

export class MixerSound {
  constructor(changed) {
    this.changed = changed; // told when playing starts, stops or comes to its end
    this.buffers = new Map(); // name → {dry, wet}
    this.sources = new Map();
    this.loop = null; // [start, end] in seconds
    this.playing = false;
    this.at = 0;
    this.turns = new Map(); // name, dry or wet → what was asked for last: an answer that another has overtaken is not heard
    this.bypassed = new Map(); // strips heard without their chain → their gain in dB, to compare at one loudness
  }

  get context() { return this._context; }
  get seconds() { return this.length ?? 0; }

  // --- loading ------------------------------------------------------------------------------------------------
  // A context of the sound's own rate, so that nothing is resampled; where that cannot be, the browser's.
  async begin(sheet, mix) {
    this.end();
    this.length = sheet.seconds;
    this.mix = mix;
    try { this._context = new AudioContext({ sampleRate: sheet.sample_rate_hz, latencyHint: "interactive" }); }
    catch { this._context = new AudioContext({ latencyHint: "interactive" }); }
    this.rooms = new Map();
    this.analyser = this._context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.other = gainNode(this._context, 0); // a rendering to compare with
    this.desk = gainNode(this._context, 1);
    this.desk.connect(this.analyser);
    this.other.connect(this.analyser);
    this.analyser.connect(this._context.destination);
    await this.build();
  }
  end() {
    this.stop();
    this._context?.close();
    this._context = this.graph = this.meters = null;
    this.buffers.clear();
    this.otherBuffer = null;
    this.bypassed.clear();
    this.loop = null;
    this.at = 0;
  }
  async build() {
    const context = this._context, { kind } = this.mix.room, room = await this.room(kind);
    if (context !== this._context) return; // another sound was opened meanwhile
    if (kind !== this.mix.room.kind) return this.build();
    this.graph = buildGraph(context, this.mix, room);
    this.graph.sum.connect(this.desk);
    this.meters = new Map();
    for (const [name, { fader }] of this.graph.strips) {
      const meter = this._context.createAnalyser();
      meter.fftSize = 1024;
      fader.connect(meter);
      this.meters.set(name, meter);
    }
  }
  async room(kind) {
    const { rooms, context } = this;
    if (!rooms.has(kind)) {
      const answer = await fetch(`studio/desk/rooms/${kind}.wav?rate=${context.sampleRate}`);
      rooms.set(kind, answer.ok ? await context.decodeAudioData(await answer.arrayBuffer()) : null);
    }
    return rooms.get(kind);
  }
  async decode(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? "This sound could not be fetched.");
    return this._context.decodeAudioData(await answer.arrayBuffer());
  }
  // A strip's sound without its chain, or with it; what plays goes over into it at the same moment.
  async load(name, address, { wet = false } = {}) {
    const context = this._context, turn = this.turn(name, wet), buffer = await this.decode(address);
    if (context !== this._context || turn !== this.turns.get(`${name} ${wet}`)) return; // another was asked for meanwhile
    this.buffers.set(name, { ...this.buffers.get(name), [wet ? "wet" : "dry"]: buffer });
    this.swap(name);
  }
  turn(name, wet) {
    const turn = {};
    this.turns.set(`${name} ${wet}`, turn);
    return turn;
  }
  forgetWet(name) {
    this.turn(name, true);
    const held = this.buffers.get(name);
    if (!held?.wet) return;
    this.buffers.set(name, { dry: held.dry });
    this.bypassed.delete(name);
    this.swap(name);
  }
  bufferOf(name) {
    const held = this.buffers.get(name);
    return (this.bypassed.has(name) ? held?.dry : held?.wet ?? held?.dry) ?? null;
  }
  // Hear a strip without its chain, brought to the loudness it has with it.
  bypass(name, gainDb) {
    if (gainDb === null) this.bypassed.delete(name);
    else this.bypassed.set(name, gainDb);
    this.swap(name);
  }

  // --- playing ------------------------------------------------------------------------------------------------
  get position() {
    if (!this.playing) return this.at;
    let at = this.from + Math.max(0, this._context.currentTime - this.startedAt);
    if (this.loop && at >= this.loop[1]) at = this.loop[0] + ((at - this.loop[0]) % (this.loop[1] - this.loop[0]));
    return Math.min(at, this.seconds);
  }
  async play() {
    const { context } = this;
    if (this.playing || !context) return;
    await context.resume();
    if (this.playing || context !== this._context) return; // pressed twice, or another sound was opened meanwhile
    if (this.loop && (this.at < this.loop[0] - 1e-3 || this.at >= this.loop[1] - 1e-3)) this.at = this.loop[0];
    if (this.at >= this.seconds - 0.02) this.at = 0;
    this.playing = true;
    this.from = this.at;
    this.startedAt = this._context.currentTime + AHEAD;
    for (const name of this.buffers.keys()) this.sound(name, this.startedAt, this.from);
    this.soundOther(this.startedAt, this.from);
    this.watch();
    this.changed();
  }
  pause() {
    if (!this.playing) return;
    this.at = this.position;
    this.stop();
    this.changed();
  }
  stop() {
    this.playing = false;
    for (const name of [...this.sources.keys()]) this.silence(name);
    this.silenceOther();
  }
  seek(seconds) {
    const was = this.playing;
    if (was) this.stop();
    this.at = Math.max(0, Math.min(seconds, this.seconds));
    if (was) this.play();
    else this.changed();
  }
  setLoop(region) {
    const was = this.playing;
    if (was) { this.at = this.position; this.stop(); }
    this.loop = region;
    if (was) this.play();
    else this.changed();
  }
  watch() {
    if (!this.playing) return;
    if (!this.loop && this.position >= this.seconds - 1e-3) { this.stop(); this.at = 0; return this.changed(); }
    setTimeout(() => this.watch(), 60);
  }
  start(buffer, out, when, from) {
    const source = this._context.createBufferSource();
    source.buffer = buffer;
    if (this.loop) Object.assign(source, { loop: true, loopStart: this.loop[0], loopEnd: Math.min(this.loop[1], buffer.duration) });
    source.connect(out);
    if (from < buffer.duration || this.loop) source.start(when, Math.min(from, buffer.duration));
    return source;
  }
  sound(name, when, from, { fade = 0 } = {}) {
    const buffer = this.bufferOf(name), gate = this.graph.strips.get(name)?.gate;
    if (!buffer || !gate) return;
    const level = factor(this.bypassed.get(name) ?? 0), out = gainNode(this._context, fade ? 0 : level);
    if (fade) out.gain.setValueAtTime(0, when).linearRampToValueAtTime(level, when + fade);
    out.connect(gate);
    this.sources.set(name, { source: this.start(buffer, out, when, from), out });
  }
  silence(name, when = 0, fade = 0) {
    const playing = this.sources.get(name);
    this.sources.delete(name);
    if (!playing) return;
    if (fade) playing.out.gain.setValueAtTime(playing.out.gain.value, when).linearRampToValueAtTime(0, when + fade);
    try { playing.source.stop(when + fade); } catch { /* it never started: its sound was over */ }
    if (!fade) playing.out.disconnect();
  }
  swap(name) {
    if (!this.playing) return;
    const when = this._context.currentTime + AHEAD;
    this.silence(name, when, SWAP);
    this.sound(name, when, this.positionAt(when), { fade: SWAP });
  }
  positionAt(when) {
    let at = this.from + (when - this.startedAt);
    if (this.loop && at >= this.loop[1]) at = this.loop[0] + ((at - this.loop[0]) % (this.loop[1] - this.loop[0]));
    return Math.max(0, at);
  }

  // --- a rendering to compare with ------------------------------------------------------------------------------
  async loadOther(address) {
    const context = this._context, buffer = await this.decode(address);
    if (context !== this._context) return;
    this.silenceOther();
    this.otherBuffer = buffer;
    if (this.playing) { const when = context.currentTime + AHEAD; this.soundOther(when, this.positionAt(when)); }
  }
  hearOther(on, { deskDb = 0, otherDb = 0 } = {}) {
    this.onOther = on;
    const now = this._context.currentTime;
    this.desk.gain.setTargetAtTime(on ? 0 : factor(deskDb), now, GLIDE);
    this.other.gain.setTargetAtTime(on ? factor(otherDb) : 0, now, GLIDE);
  }
  dropOther() {
    if (!this._context) return;
    this.silenceOther();
    this.otherBuffer = null;
    this.hearOther(false);
  }
  soundOther(when, from) {
    if (this.otherBuffer) this.otherSource = this.start(this.otherBuffer, this.other, when, from);
  }
  silenceOther() {
    if (!this.otherSource) return;
    try { this.otherSource.stop(); } catch { /* it never started */ }
    this.otherSource.disconnect();
    this.otherSource = null;
  }

  // --- the mix ------------------------------------------------------------------------------------------------
  // Everything as the document says, within a few milliseconds.
  async follow(mix) {
    const kind = this.mix?.room.kind;
    this.mix = mix;
    if (!this.graph) return;
    const now = this._context.currentTime, open = heard(mix);
    const glide = (parameter, value) => parameter.setTargetAtTime(value, now, GLIDE);
    for (const strip of mix.strips) {
      const nodes = this.graph.strips.get(strip.name);
      if (!nodes) continue;
      glide(nodes.gate.gain, open.has(strip.name) ? 1 : 0);
      glide(nodes.fader.gain, factor(strip.gain_db));
      glide(nodes.pan.pan, strip.pan);
      glide(nodes.send.gain, strip.send);
    }
    glide(this.graph.back.gain, factor(mix.room.gain_db));
    glide(this.graph.sum.gain, factor(mix.gain_db));
    if (mix.room.kind === kind) return;
    const { convolver } = this.graph, room = await this.room(mix.room.kind);
    if (this.mix.room.kind === mix.room.kind) convolver.buffer = room;
  }
  // The mix as a browser renders it, without waiting for it to play: {left, right} of these seconds. Parts that are not
  // here yet would be silence passed off as the mix.
  async rendered(seconds = this.seconds) {
    const missing = this.mix.strips.filter(({ name }) => !this.bufferOf(name));
    if (missing.length) throw new Error(`Still being fetched: ${missing.map(({ name }) => name).join(", ")}.`);
    const rate = this._context.sampleRate, offline = new OfflineAudioContext(2, Math.round(seconds * rate), rate);
    const graph = buildGraph(offline, this.mix, await this.room(this.mix.room.kind));
    graph.sum.connect(offline.destination);
    for (const [name, { gate }] of graph.strips) {
      const source = offline.createBufferSource();
      source.buffer = this.bufferOf(name);
      source.connect(gate);
      source.start();
    }
    return offline.startRendering();
  }
  static peak(analyser) {
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    let peak = 0;
    for (const x of samples) peak = Math.max(peak, Math.abs(x));
    return peak;
  }
  levelOf(name) { return this.meters?.has(name) ? MixerSound.peak(this.meters.get(name)) : 0; }
  level() { return this.analyser ? MixerSound.peak(this.analyser) : 0; }
}
