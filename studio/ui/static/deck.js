// The deck: what plays, at the foot of every tab. It plays a take, or a job whose sound is still being made, and
// draws its real peaks. It knows nothing of how sound is made; jobs.js tells it of progress.
import { PAUSE, PLAY } from "./icons.js";

const $ = (id) => document.getElementById(id);
const BAR = 3, GAP = 1;

export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–:––";
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0"), minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

export class Deck {
  constructor() {
    this.audio = $("st-audio");
    this.canvas = $("st-wave");
    this.now = null; // {take?, job?, title, seconds, peaks, sections, live}
    this.asked = null; // the take that is being read for the deck
    const redraw = () => this.draw();
    this.began = 0; // where in the sound the stretch begins that plays now
    this.audio.addEventListener("seeking", () => { this.began = this.audio.currentTime; });
    for (const event of ["play", "pause", "ended", "seeked", "loadedmetadata"])
      this.audio.addEventListener(event, () => { this.showState(); this.draw(); });
    this.audio.addEventListener("play", () => this.tick());
    this.audio.addEventListener("ended", () => this.swapToTake());
    this.audio.addEventListener("waiting", () => this.onDry());
    this.audio.addEventListener("error", () => this.onLost());
    new ResizeObserver(redraw).observe(this.canvas);
    new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.onShow = () => {}; // told when something else is put on the deck (shape.js)
    this.drawOver = () => {}; // draws over the waveform (shape.js)
    this.onBar = () => false; // sees to playing where it has to be in time with others (link.js)
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
      if (step) { event.preventDefault(); this.seek(this.audio.currentTime + step); }
    });
    $("st-deck-play").addEventListener("click", () => this.toggle());
    this.showState();
  }

  // --- what plays ---------------------------------------------------------------------------------------------
  async loadTake(take, { play = true, at = 0 } = {}) {
    const asked = (this.asked = {});
    const answer = await fetch(`studio/takes/${take}/peaks.json`);
    const data = answer.ok ? await answer.json() : null;
    if (this.asked !== asked) return; // something else was put on the deck while this was read
    if (!data) return this.say("That take is not here any more.");
    this.show({ take, job: data.job, title: data.title, seconds: data.seconds, peaks: data.peaks, sections: data.sections,
      badges: data.badges, versions: data.versions, bar_seconds: data.bar_seconds, live: false });
    this.audio.src = `studio/takes/${take}/sound.flac`;
    if (at > 0) this.audio.currentTime = Math.min(at, data.seconds);
    if (play) await this.play();
  }

  async loadJob(job, { play = true } = {}) {
    this.show({ job: job.id, take: null, title: job.title, seconds: job.seconds_total, peaks: [], sections: [], live: true, badges: [] });
    this.follow(job);
    this.audio.src = `studio/jobs/${job.id}/sound.wav`;
    if (play) await this.play();
  }

  show(now) {
    this.asked = null;
    this.now = now;
    this.audio.pause();
    $("st-deck-title").textContent = now.title || "Untitled";
    $("st-deck").classList.remove("st-empty-deck");
    this.showBadges(now.badges);
    this.showSections();
    for (const card of document.querySelectorAll(".st-card"))
      card.classList.toggle("playing", Boolean((now.take && card.dataset.take === now.take) || (now.job && card.dataset.job === now.job)));
    this.say("");
    this.onShow();
    this.draw();
  }

  // What came later of a sound that plays: its waveform, its title, its badges.
  dress(more) {
    Object.assign(this.now, more);
    $("st-deck-title").textContent = this.now.title || "Untitled";
    this.showBadges(this.now.badges);
    this.draw();
  }

  // News of the job that plays: more peaks, its plan, its end.
  follow(job) {
    if (this.now?.job !== job.id) return;
    const now = this.now;
    if (now.live) {
      now.peaks = job.peaks ?? now.peaks;
      now.seconds = job.seconds_total ?? now.seconds;
      now.title = job.title || now.title;
      $("st-deck-title").textContent = now.title || "Untitled";
      now.sections = job.sections ?? now.sections;
      this.showBadges(job.badges);
      this.showSections();
    }
    now.take = job.take_id ?? now.take;
    // Stopped early, the live sound ends short of what it announced: a player that has run dry would wait for ever.
    const dry = !this.audio.paused && this.audio.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
    if (job.take_id && now.live && (this.audio.paused || dry) && !this.starting) this.swapToTake({ play: dry });
    this.draw();
  }

  // The finished take in place of the live sound, at the same second.
  async swapToTake({ play = false } = {}) {
    const now = this.now;
    if (!now?.live || !now.take) return;
    now.live = false; // once only, however often news comes while the take loads
    const at = this.audio.ended ? 0 : this.audio.currentTime;
    await this.loadTake(now.take, { play: false });
    if (this.now.take !== now.take) return;
    if (at > 0) this.audio.currentTime = Math.min(at, this.now.seconds);
    if (play && at < this.now.seconds - 0.2) await this.play();
  }

  // The player has caught up with what is made; if the job has ended meanwhile, the take goes on in its place.
  onDry() {
    if (this.now?.live && this.now.take) this.swapToTake({ play: true });
  }

  // The live sound ends early when the user stops the job; then the kept part is the take.
  onLost() {
    if (!this.now) return;
    if (this.now.live && this.now.take) this.swapToTake();
    else if (!this.now.live) this.say(this.now.lost ?? "This sound could not be read.");
  }

  // --- transport ----------------------------------------------------------------------------------------------
  async play() {
    if (!this.now || this.onBar()) return;
    this.listen();
    if (this.now.live && this.now.take && this.audio.paused && this.audio.currentTime > 0) await this.swapToTake();
    this.starting = true;
    if (this.audio.paused) this.began = this.audio.ended ? 0 : this.audio.currentTime;
    try { await this.audio.play(); }
    catch (error) { if (error.name === "NotAllowedError") this.say("Press play to hear it."); }
    finally { this.starting = false; this.showState(); }
  }
  pause() { this.audio.pause(); }
  toggle() { this.audio.paused ? this.play() : this.pause(); }
  seek(seconds) {
    if (!this.now) return;
    const made = this.now.live ? this.now.peaks.length / 10 - 0.3 : this.now.seconds;
    this.audio.currentTime = Math.max(0, Math.min(seconds, made));
    this.draw();
  }

  // A level tap on what is heard; made on the first play because browsers want a gesture first.
  listen() {
    if (this.analyser) return this.context.resume();
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.context.createMediaElementSource(this.audio).connect(this.analyser).connect(this.context.destination);
    return this.context.resume();
  }
  level() { // RMS of the last 2,048 samples heard, 0 to 1
    if (!this.analyser) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
  }

  // --- showing ------------------------------------------------------------------------------------------------
  tick() {
    if (this.audio.paused) return;
    this.draw();
    requestAnimationFrame(() => this.tick());
  }
  say(text) { $("st-deck-say").textContent = text; }
  showState() {
    const button = $("st-deck-play");
    button.innerHTML = this.audio.paused ? PLAY : PAUSE;
    button.disabled = !this.now;
    button.setAttribute("aria-label", this.audio.paused ? "Play" : "Pause");
    for (const id of ["st-deck-prev", "st-deck-next"]) $(id).disabled = !document.querySelector(".st-card[data-take], .st-track");
  }
  showBadges(badges = []) {
    $("st-deck-badges").replaceChildren(...(badges ?? []).map(({ text, kind }) => {
      const badge = document.createElement("span");
      badge.className = `st-badge ${kind ?? ""}`;
      badge.textContent = text;
      return badge;
    }));
  }
  showSections() {
    const { sections = [], seconds } = this.now;
    const drawn = JSON.stringify([sections, seconds]);
    if (drawn === this.drawnSections) return;
    this.drawnSections = drawn;
    const marks = sections.map(({ name, start, end, energy }) => {
      const mark = document.createElement("span");
      mark.style.setProperty("--share", end - start);
      mark.style.setProperty("--energy", energy);
      mark.textContent = mark.title = name;
      return mark;
    });
    const rest = seconds - (sections.at(-1)?.end ?? 0);
    if (marks.length && rest > 0.01) {
      const ring = document.createElement("i");
      ring.style.flex = `${rest} 1 0`;
      marks.push(ring);
    }
    $("st-marks").replaceChildren(...marks);
  }
  draw() {
    const { canvas, now } = this, ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.body);
    const [rest, played, head] = ["--st-wave", "--st-accent", "--st-text"].map((name) => style.getPropertyValue(name));
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const seconds = now?.seconds || 30, at = now ? this.audio.currentTime : 0;
    const perSecond = now?.live ? 10 : (now?.peaks.length ?? 0) / seconds;
    for (let x = 0; x < width; x += BAR + GAP) {
      const from = Math.floor((x / width) * seconds * perSecond);
      const to = Math.max(from + 1, Math.floor(((x + BAR + GAP) / width) * seconds * perSecond));
      let peak = 0;
      for (let i = from; i < to && now && i < now.peaks.length; i++) peak = Math.max(peak, now.peaks[i]);
      const made = now && from < now.peaks.length;
      const tall = made ? Math.max(2, (peak / 100) * (height - 6)) : 2;
      pen.fillStyle = made && (x / width) * seconds <= at ? played : rest;
      pen.globalAlpha = made ? 1 : 0.4;
      pen.fillRect(x, (height - tall) / 2, BAR, tall);
    }
    pen.globalAlpha = 1;
    if (now) {
      this.drawOver(pen, width, height);
      pen.fillStyle = head;
      pen.fillRect((at / seconds) * width - 1, 0, 2, height);
    }
    $("st-clock").textContent = now ? `${clock(at)} / ${clock(now.seconds)}` : "0:00";
  }
}
