// A take's notes into an output of the browser's: messages are handed over a little ahead of time with the moment they are for,
// so that no timer of the page's decides when a note sounds. It keeps the same rules as studio/live_midi/player.py.
const AHEAD_MS = 120, JUMP_SECONDS = 0.08, NUDGE = 0.15, MISSED_SECONDS = 0.3, SAME = 1e-6, SHORTEST_LOOP = 0.02;
const CLOCK = 0, OFF = 1, ON = 2, DRUMS = 9;

export class MidiPlayer {
  constructor() {
    this.output = null;
    this.channels = new Map(); // of the parts that sound
    this.clockOut = false;
    this.programs = true;
    this.offsetMs = 0;
    this.events = [];
    this.pressed = new Map(); // channel and pitch → {on, off}: the moments of its last note, `off` null while it is held
    this.holding = new Map(); // channel and pitch → presses that hold it
    this.anchor = null; // {place, when, rate, loop} while something plays
  }

  load(score) {
    this.stop();
    this.score = score;
    const { presses, pulses, first_pulse } = score;
    this.events = [
      ...pulses.map((place, n) => ({ place, rank: CLOCK, pulse: first_pulse + n })),
      ...presses.flatMap(([start, end, part, pitch, velocity], press) => (end > start
        ? [{ place: start, rank: ON, press, part, pitch, velocity, end }, { place: end, rank: OFF, press, part, pitch }] : [])),
    ].sort((a, b) => a.place - b.place || a.rank - b.rank);
  }
  setParts(channels) {
    for (const [key, presses] of this.holding)
      for (const event of [...presses]) if (channels.get(event.part) !== this.channels.get(event.part)) this.release(key, event, this.now);
    const begun = [...channels.keys()].filter((part) => this.channels.get(part) !== channels.get(part));
    this.channels = channels;
    if (this.anchor) this.sayPrograms(begun);
  }
  get now() { return performance.now(); }

  // --- following ------------------------------------------------------------------------------------------------
  // head: as playhead() tells it; called often while something plays.
  follow(head) {
    if (!this.output || !head?.playing || head.source !== this.score?.source) return this.stop();
    const when = head.when + this.offsetMs, { anchor } = this;
    const loop = head.loop && head.loop[1] - head.loop[0] >= SHORTEST_LOOP ? head.loop : null;
    if (anchor && String(anchor.loop) === String(loop)) {
      let off = head.at - this.placeAt(when);
      if (loop) off -= (loop[1] - loop[0]) * Math.round(off / (loop[1] - loop[0]));
      if (Math.abs(off) <= JUMP_SECONDS * head.rate) {
        const now = this.now;
        Object.assign(anchor, { place: this.placeAt(now) + off * NUDGE, when: now, rate: head.rate });
        return this.send();
      }
    }
    const isNew = !anchor || head.began !== this.began; // else its first notes have gone out already
    this.stop();
    this.began = head.began;
    this.locate({ place: head.at, when, rate: head.rate, loop }, isNew ? head.began : null);
    this.send();
  }
  placeAt(ms) { const { place, when, rate } = this.anchor; return place + ((ms - when) / 1_000) * rate; }
  momentOf(place) { const { place: from, when, rate } = this.anchor; return when + ((place - from) / rate) * 1_000; }

  locate(anchor, began) {
    this.anchor = anchor;
    const now = this.now, place = this.placeAt(now), near = began !== undefined && began !== null && place - began <= MISSED_SECONDS * anchor.rate;
    const first = near ? began : place;
    this.cursor = this.events.findIndex((event) => event.place >= first - SAME);
    if (this.cursor < 0) this.cursor = this.events.length;
    this.sayPrograms([...this.channels.keys()]);
    this.fromPulse = 0;
    if (this.clockOut) {
      const next = this.events.slice(this.cursor).find(({ rank }) => rank === CLOCK);
      const sixteenth = Math.ceil((next?.pulse ?? 0) / 6);
      this.fromPulse = sixteenth * 6;
      if (sixteenth === 0) this.put([0xfa], now);
      else { this.put([0xf2, sixteenth & 127, (sixteenth >> 7) & 127], now); this.put([0xfb], now); }
      this.clockRuns = true;
    }
    this.strikeHeld(first, now);
  }
  // Long notes that sound at this place already, as DAWs chase them.
  strikeHeld(place, moment) {
    for (let at = 0; at < this.cursor; at++) {
      const event = this.events[at];
      if (event.rank === ON && event.place < place - SAME && event.end > place + 0.02 && this.channels.get(event.part) !== DRUMS) this.press(event, moment);
    }
  }
  // Everything due within the next moments.
  send() {
    while (this.anchor) {
      const { loop, place } = this.anchor, event = this.events[this.cursor];
      const edge = loop && place < loop[1] - SAME ? loop[1] : this.score.seconds + 2 * SAME;
      const inside = event && event.place < edge - SAME, moment = this.momentOf(inside ? event.place : edge);
      if (moment > this.now + AHEAD_MS) return;
      if (inside) { this.cursor++; this.carryOut(event, moment); }
      else if (loop && edge === loop[1]) this.goRound(moment);
      else { this.finish(moment); return; }
    }
  }
  carryOut(event, moment) {
    if (event.rank === CLOCK) { if (this.clockRuns && event.pulse >= this.fromPulse) this.put([0xf8], moment); }
    else if (event.rank === ON) this.press(event, moment);
    else this.release(this.keyOf(event), this.holding.get(this.keyOf(event))?.find(({ press }) => press === event.press), moment);
  }
  goRound(moment) {
    this.letGo(moment);
    Object.assign(this.anchor, { place: this.anchor.loop[0], when: moment });
    this.cursor = this.events.findIndex(({ place }) => place >= this.anchor.loop[0] - SAME);
    this.fromPulse = 0;
    this.strikeHeld(this.anchor.loop[0], moment);
  }
  finish(moment) {
    this.letGo(moment);
    this.stopClock(moment);
    this.anchor = null;
    this.ended = true;
  }
  stop() {
    if (!this.anchor) return;
    this.anchor = null;
    this.output?.clear?.(); // where a browser can take back what it has not sent yet
    this.letGo(this.now);
    this.stopClock(this.now);
  }
  panic() {
    this.letGo(this.now);
    for (let channel = 0; channel < 16; channel++)
      for (const controller of [123, 120, 121]) this.put([0xb0 | channel, controller, 0], this.now);
  }

  // --- notes ----------------------------------------------------------------------------------------------------
  keyOf({ part, pitch }) { return this.channels.get(part) * 128 + pitch; }
  press(event, moment) {
    if (!this.channels.has(event.part)) return;
    const key = this.keyOf(event), holding = this.holding.get(key) ?? [];
    if (holding.length) this.up(key, moment); // a key that is down must come up before it is struck again
    this.holding.set(key, [...holding, event]);
    this.pressed.set(key, { on: moment, off: null });
    this.put([0x90 | (key >> 7), key & 127, Math.max(1, Math.min(127, event.velocity))], moment);
  }
  release(key, event, moment) {
    const holding = (this.holding.get(key) ?? []).filter((each) => each !== event);
    if (!event || !this.holding.has(key)) return;
    if (holding.length) return this.holding.set(key, holding);
    this.holding.delete(key);
    this.up(key, moment);
  }
  up(key, moment) {
    const last = this.pressed.get(key);
    if (last) last.off = Math.max(moment, last.on + 1); // never before its own beginning
    this.put([0x80 | (key >> 7), key & 127, 64], last?.off ?? moment);
  }
  // What sounds, or was handed over and will: a message that has been given away cannot be taken back, but its end can be sent.
  letGo(moment) {
    for (const [key, { on, off }] of this.pressed) {
      if (off === null) this.up(key, moment);
      else if (off > moment && moment <= this.now) this.put([0x80 | (key >> 7), key & 127, 64], Math.max(moment, on + 1));
      else if (off > this.now) continue;
      this.pressed.delete(key);
    }
    this.holding.clear();
  }
  sayPrograms(parts) {
    if (!this.programs) return;
    for (const part of parts) {
      const program = this.score?.parts[part]?.program;
      if (program !== undefined && this.channels.has(part)) this.put([0xc0 | this.channels.get(part), program], this.now);
    }
  }
  stopClock(moment) {
    if (this.clockRuns) this.put([0xfc], moment);
    this.clockRuns = false;
  }
  put(bytes, moment) {
    try { this.output.send(bytes, Math.max(moment, this.now)); }
    catch { this.lost?.(this.output?.name ?? ""); }
  }
}
