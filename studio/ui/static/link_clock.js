// The studio's clock as this page can tell it: answers carry the moments at which the studio received and sent them, and the
// quickest exchange of the last minute says how far the two clocks are apart (RFC 5905, section 8, a clock filter).
// Link's answers set it while a session is joined; live MIDI asks for a few itself where it wants it. The two share one clock.
const KEPT = 40, MOST_AGE_MS = 60_000, OLD_MS = 30_000;

export class StudioClock {
  samples = []; // {offset seconds, delay seconds, at ms}

  // from, to: performance.now() when asked and answered; received, sent: the studio's seconds.
  add(from, received, sent, to) {
    const delay = Math.max(0, (to - from) / 1000 - (sent - received));
    this.samples.push({ offset: (received - from / 1000 + (sent - to / 1000)) / 2, delay, at: to });
    this.samples = this.samples.filter(({ at }) => to - at < MOST_AGE_MS).slice(-KEPT);
  }

  // Ask for some exchanges; false where the studio does not answer.
  async sync(times = 6) {
    for (let n = 0; n < times; n++) {
      const from = performance.now(), answer = await fetch("studio/midi/now", { cache: "no-store" });
      if (!answer.ok) return false;
      const { received, sent } = await answer.json();
      this.add(from, received, sent, performance.now());
    }
    return true;
  }
  get isSet() { return this.samples.length > 0; }
  get isOld() { return !this.isSet || performance.now() - this.samples.at(-1).at > OLD_MS; }

  get best() { return this.samples.reduce((best, one) => (one.delay <= best.delay ? one : best), { delay: Infinity, offset: 0 }); }
  get uncertainty() { return this.best.delay / 2; } // seconds, at worst
  toStudio(pageMs) { return pageMs / 1000 + this.best.offset; }
  toPage(studioSeconds) { return (studioSeconds - this.best.offset) * 1000; }
  get now() { return this.toStudio(performance.now()); }
}

// The session's beats: one falls on a moment, the rest follows from the tempo.
export class Timeline {
  constructor({ seconds, beat, tempo_bpm, playing, beats_a_bar }) {
    Object.assign(this, { seconds, beat, tempo: tempo_bpm, playing, bar: beats_a_bar });
  }
  beatAt(seconds) { return this.beat + ((seconds - this.seconds) * this.tempo) / 60; }
  secondsAt(beat) { return this.seconds + ((beat - this.beat) * 60) / this.tempo; }
  nextBar(seconds) { return Math.ceil(this.beatAt(seconds) / this.bar - 1e-6) * this.bar; } // its beat
  phase(seconds) { return ((this.beatAt(seconds) % this.bar) + this.bar) % this.bar; }
}

// What of the sound card is heard at a moment of this page, from the browser's own pairs of both clocks. One pair may be
// some milliseconds off; the middle one of many is not.
export class SoundClock {
  pairs = [];
  constructor(context) { this.context = context; }

  look() {
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    if (!(performanceTime > 0) || !(contextTime > 0)) return;
    this.pairs.push(contextTime - performanceTime / 1000);
    if (this.pairs.length > 31) this.pairs.shift();
  }
  get apart() {
    if (this.pairs.length) return [...this.pairs].sort((a, b) => a - b)[this.pairs.length >> 1];
    const { currentTime, baseLatency = 0, outputLatency = 0 } = this.context;
    return currentTime - baseLatency - outputLatency - performance.now() / 1000;
  }
  timeAt(pageMs) { return pageMs / 1000 + this.apart; } // the context's time that is heard then
  forget() { this.pairs = []; }
}
