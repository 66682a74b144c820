// Plays the deck's take, or track of the library, in a Link session: from a bar line, and on the session's beats for as long as it plays.
//
// The sound comes out of a buffer, which starts at a given sample; the deck's own player runs along silently, for its
// playhead and buttons. Knows nothing of how the session is joined or shown.
import { SoundClock } from "./link_clock.js";

const AHEAD_SECONDS = 0.12; // so long before its moment a start is handed to the sound card
const IN_TUNE = 0.004; // a tempo so near is reached by speed alone: 7 cents at most
const MOST_CORRECTION = 0.008; // of the speed, to take back what the clocks drift and what a busy machine drops
const LOST_SECONDS = 0.06; // further off than that, it starts over at a bar line
const LOOK_MS = 100;
const NEAR_SECONDS = 0.1; // the player stands where it was put, as near as it tells

export class BarPlayer {
  // session: {line: Timeline | null, clock: StudioClock, latency: seconds}. say: takes a sentence.
  constructor(deck, session, say) {
    Object.assign(this, { deck, session, say, state: "idle" });
    this.buffers = new Map(); // by address
    this.onPause = () => this.halt(); // the user pressed pause
    deck.audio.addEventListener("pause", () => { if (this.state === "playing" && !deck.audio.ended) this.onPause(); });
    deck.audio.addEventListener("seeked", () => {
      const ours = this.isOurs;
      this.moved = null;
      if (this.state === "playing" && !ours) this.start();
    });
  }

  get isBusy() { return this.state !== "idle"; }
  // Whether the deck's player stands where we moved it last, or has played on from there: then it was not the user who
  // moved it, however late a busy page hears of that.
  get isOurs() {
    if (!this.moved) return false;
    const { to, at } = this.moved, gone = this.deck.audio.currentTime - to;
    return gone > -NEAR_SECONDS && gone < ((performance.now() - at) / 1000) * this.deck.audio.playbackRate + NEAR_SECONDS;
  }
  moveTo(seconds) {
    this.moved = { to: seconds, at: performance.now() };
    this.deck.audio.currentTime = seconds;
  }

  // Play what is on the deck from the next bar line on, from the bar that the deck stands in.
  async start() {
    const { deck, session } = this;
    this.handOver();
    const turn = (this.turn = {});
    this.state = "waiting";
    const awake = deck.listen();
    this.sound ??= new SoundClock(deck.context);
    this.sound.forget();
    deck.showState();
    try {
      if (navigator.userActivation && !navigator.userActivation.hasBeenActive) throw new Error("Press play to hear it.");
      await awake; // a browser lets no page sound that nobody has touched
      const music = await this.musicOf(deck.now);
      if (turn !== this.turn || !session.line) return;
      const buffer = await this.bufferAt(music, session.line.tempo);
      const beat = music.barAt(deck.audio.ended ? 0 : deck.audio.currentTime);
      await this.atBar(turn, (line, startBeat) => this.begin(music, buffer, line, startBeat, beat));
    } catch (error) {
      if (turn === this.turn) { this.halt(); this.say(error.message); }
    }
  }

  // Hand over `then` shortly before the session's next bar line that can still be met.
  async atBar(turn, then) {
    const { session } = this;
    for (let before = performance.now(); ; ) {
      const { line, clock } = session;
      if (turn !== this.turn || !line) return;
      this.sound.look();
      const soon = clock.now + AHEAD_SECONDS + Math.max(0, session.latency);
      const aim = line.nextBar(soon), left = line.secondsAt(aim) - soon;
      // In a tab behind others, timers are slow: better far too early than past it.
      const step = (performance.now() - before) / 1000;
      if (left <= Math.max(0.03, 1.5 * step)) return then(line, aim);
      if (!this.playing) this.say(`Starts on the bar, in ${Math.max(1, Math.ceil(aim - line.beatAt(clock.now)))}`);
      before = performance.now();
      await new Promise((go) => setTimeout(go, 15));
    }
  }

  // startBeat: the session's, at which the take's `beat` sounds.
  begin(music, buffer, line, startBeat, beat) {
    const { session, deck: { context, analyser } } = this;
    const at = session.clock.toPage(line.secondsAt(startBeat) - session.latency);
    const late = Math.max(0, context.currentTime - this.sound.timeAt(at));
    const when = this.sound.timeAt(at) + late;
    const rate = (line.tempo * buffer.scale) / buffer.tempo;
    const offset = secondsIn(buffer, beat) + late * rate;
    const source = new AudioBufferSourceNode(context, { buffer: buffer.samples, playbackRate: rate });
    source.connect(analyser);
    source.start(when, offset);
    source.onended = () => this.ended();
    this.silence(when);
    this.quiet(when);
    this.playing = { source, music, buffer, startBeat, beat, when, offset, rate };
    // As it was handed to the sound card, and how well the page knew the studio's clock then.
    this.started = { when, rate, from: offset, page: at, uncertainty: session.clock.uncertainty };
    this.state = "playing";
    this.say(buffer.tempo === music.tempo ? "" : `Stretched from ${music.tempo.toFixed(0)} bpm`);
    this.timer ??= setInterval(() => this.look(), LOOK_MS);
    this.runAlong(music.secondsOf(beat), at - performance.now(), (line.tempo * buffer.scale) / music.tempo);
  }

  // The deck's own player, unheard, from the same moment on.
  runAlong(seconds, inMs, rate) {
    const { audio } = this.deck;
    clearTimeout(this.along);
    audio.muted = true;
    this.along = setTimeout(() => {
      if (Math.abs(audio.currentTime - seconds) > 0.05) this.moveTo(seconds);
      audio.playbackRate = Math.min(4, Math.max(0.25, rate));
      audio.play().catch(() => {});
    }, Math.max(0, inMs));
  }

  // Ten times a second: where the sound is against where the session is.
  look() {
    const { playing, session, deck: { context } } = this, { line, clock } = session;
    if (!line) return this.carryOn();
    this.sound.look();
    const now = clock.now, heard = this.sound.timeAt(clock.toPage(now - session.latency));
    if (heard < playing.when) return;
    const { music, buffer } = playing;
    this.error = this.positionAt(heard) - secondsIn(buffer, this.beatAt(line, now));
    const wanted = (line.tempo * buffer.scale) / buffer.tempo;
    if (!this.moving && !this.gaveUp) {
      if (Math.abs(wanted - 1) > IN_TUNE) this.move(async () => this.bufferAt(music, line.tempo));
      else if (Math.abs(this.error) > LOST_SECONDS) this.move(async () => buffer);
    }
    const rate = wanted * (1 - Math.max(-MOST_CORRECTION, Math.min(MOST_CORRECTION, this.error)));
    if (Math.abs(rate - playing.rate) < 1e-6) return;
    Object.assign(playing, { offset: this.positionAt(context.currentTime), when: context.currentTime, rate });
    playing.source.playbackRate.value = rate;
  }

  positionAt(contextTime) { const { offset, when, rate } = this.playing; return offset + (contextTime - when) * rate; }
  beatAt(line, seconds) { const { beat, startBeat, buffer } = this.playing; return beat + (line.beatAt(seconds) - startBeat) * buffer.scale; }

  // Go on from a bar line in another buffer, or anew in this one; until then, speed alone keeps time.
  async move(find) {
    const { music } = this.playing;
    this.moving = true;
    try {
      const buffer = await find(), turn = (this.turn = {});
      await this.atBar(turn, (line, startBeat) => {
        if (this.playing?.music !== music) return;
        this.begin(music, buffer, line, startBeat, this.beatAt(line, line.secondsAt(startBeat)));
      });
    } catch (error) {
      this.gaveUp = true;
      this.say(error.message);
    } finally { this.moving = false; }
  }

  // The session is gone: what plays goes on freely.
  carryOn() {
    this.silence();
    this.drop();
    this.say("");
  }
  ended() {
    const { audio } = this.deck;
    this.drop();
    if (!audio.paused) this.moveTo(audio.duration || 0);
    this.deck.showState();
  }
  // Stop what sounds or waits, the deck's player too.
  halt() {
    this.cut();
    this.deck.audio.pause();
    this.say("");
    this.deck.showState();
  }
  cut() {
    this.silence();
    this.quiet();
    this.drop();
  }
  // Something else is to be played: what sounds goes on until that begins on the bar, or ends now when nothing begins.
  handOver() {
    const { playing } = this;
    this.drop();
    if (!playing) return;
    playing.source.onended = null;
    this.quiet();
    this.leaving = playing.source;
    setTimeout(() => { if (this.state === "idle") this.quiet(); });
  }
  quiet(when = 0) {
    this.leaving?.stop(when);
    this.leaving = null;
  }
  silence(when = 0) {
    if (!this.playing) return;
    this.playing.source.onended = null;
    this.playing.source.stop(when);
  }
  drop() {
    const { audio } = this.deck;
    this.turn = this.playing = null;
    this.gaveUp = false;
    this.state = "idle";
    clearTimeout(this.along);
    clearInterval(this.timer);
    this.timer = null;
    audio.muted = false;
    audio.playbackRate = 1;
  }

  // --- its sound -----------------------------------------------------------------------------------------
  // now: what is on the deck. The beat of a track that nobody has listened to is listened for, which takes some seconds.
  async musicOf({ take, track }) {
    const path = take ? `takes/${take}` : `tracks/${track}`;
    if (!take) this.say("Listening for its beat");
    const answer = await fetch(`studio/link/${path}`);
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? "That sound is not here any more.");
    return new Music(path, await answer.json());
  }

  // The sound for a session's tempo: itself where speed alone gets there, else as the studio stretches it. scale: its beats
  // for one of the session's, when it goes in half or double time. {samples, tempo, first, scale}
  async bufferAt(music, tempo) {
    const scale = music.scaleFor(tempo), used = tempo * scale;
    const own = music.exact && Math.abs(used / music.tempo - 1) <= IN_TUNE;
    const address = own ? `studio/${music.path}/sound.flac` : `studio/link/${music.path}/sound?tempo_bpm=${used.toFixed(4)}`;
    if (!this.buffers.has(address)) {
      this.buffers.set(address, this.fetchSound(address));
      if (this.buffers.size > 3) this.buffers.delete(this.buffers.keys().next().value);
    }
    try { return { ...(own ? music : {}), ...(await this.buffers.get(address)), scale }; }
    catch (error) { this.buffers.delete(address); throw error; }
  }
  async fetchSound(address) {
    if (!this.playing && address.includes("/link/")) this.say("Bringing it to the session’s tempo");
    const answer = await fetch(address);
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? "Its sound could not be read.");
    const [tempo, first] = ["X-Studio-Tempo", "X-Studio-First-Bar"].map((name) => answer.headers.get(name));
    const samples = await this.deck.context.decodeAudioData(await answer.arrayBuffer());
    return { samples, ...(tempo && { tempo: Number(tempo), first: Number(first) }) };
  }
}

// Where a beat lies in a sound of a tempo whose first bar line is known.
const secondsIn = ({ first, tempo }, beat) => first + (beat * 60) / tempo;

// The music on the deck: where its bars lie, in its own seconds and in quarter notes from its first bar line.
class Music {
  constructor(path, { tempo_bpm, first_bar_seconds, beats_a_bar, exact }) {
    Object.assign(this, { path, tempo: tempo_bpm, first: first_bar_seconds, bar: beats_a_bar, exact });
  }
  secondsOf(beat) { return secondsIn(this, beat); }
  // The bar line at or before a second; what lies before the first is left out.
  barAt(seconds) { return Math.max(0, Math.floor(((seconds - this.first) * this.tempo) / 60 / this.bar + 0.02)) * this.bar; }
  // A tempo too far to stretch to is met in half or double time.
  scaleFor(tempo) {
    let scale = 1;
    while ((tempo * scale) / this.tempo > 2) scale /= 2;
    while ((tempo * scale) / this.tempo < 0.5) scale *= 2;
    return scale;
  }
}
