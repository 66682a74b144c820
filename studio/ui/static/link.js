// The Link panel: joining and leaving, who is there, the session's beats as they pass, and what the deck does in time.
// The session itself is the studio's (studio/link.py); this page follows it by the studio's clock.
import { here } from "./here.js";
import { StudioClock, Timeline } from "./link_clock.js";
import { BarPlayer } from "./link_player.js";

const $ = (id) => document.getElementById(id);
const LONGEST_ANSWER_MS = 10_000;
const HELD = "studio-link-tempo"; // what the tempo field held before the session's tempo was put there

export class Link {
  constructor(deck, jobs) {
    Object.assign(this, { deck, jobs, clock: new StudioClock(), line: null, latency: 0, version: null });
    this.player = new BarPlayer(deck, this, (text) => deck.say(text));
    this.player.onPause = () => this.stop();
    deck.onBar = () => this.onPlay();
    const onShow = deck.onShow;
    deck.onShow = () => { onShow(); this.onShow(); };
    this.asking = 0; // presses that are not answered yet
    // A start asked for here is not news to this browser's other pages: one of them plays, not all.
    this.pages = new BroadcastChannel("studio-link");
    this.pages.onmessage = () => { this.ours = performance.now(); };
    this.listen();
    this.load();
    here("st-link").then(() => this.show()); // Gradio lays the panel out when it is first opened
  }

  get joined() { return Boolean(this.line); }

  // --- the studio's word ------------------------------------------------------------------------------------------
  async ask(verb, body) {
    const from = performance.now();
    let answer, data;
    this.asking++;
    try {
      answer = await fetch(`studio/link/${verb}`, { method: "POST", body: body ? JSON.stringify(body) : undefined });
      data = await answer.json().catch(() => ({}));
    } finally { this.asking--; }
    this.problem = answer.ok ? "" : data.detail ?? "That did not work."; // until the next press
    if (!answer.ok) return this.show();
    this.hear(data, from);
  }
  async load(since) {
    const from = performance.now();
    const answer = await fetch(`studio/link${since === undefined ? "" : `?since=${since}`}`);
    if (!answer.ok) return this.hear(null, from); // a guest's page has no Link
    this.hear(await answer.json(), from);
  }

  // News from the stream that all pages read; while joined, this page asks for itself.
  news(version) { if (version !== undefined && version !== this.version && !this.following) this.load(); }

  async follow() {
    if (this.following) return;
    this.following = true;
    try {
      for (let n = 0; n < 6; n++) await this.load(); // the quickest of some exchanges sets the clock
      while (this.joined) await this.load(this.version);
    } catch {
      this.hear({ ...this.state, joined: false, error: "The studio does not answer." }, performance.now());
      this.version = null; // whatever it says next is news
    } finally { this.following = false; }
  }

  hear(state, from) {
    if (!state || state.version < this.version) return;
    if (state.sent) this.clock.add(from, state.received, state.sent, performance.now());
    const before = this.state;
    this.state = state;
    this.version = state.version;
    this.latency = state.latency_ms / 1000;
    this.line = state.joined ? new Timeline(state) : null;
    this.show();
    if (state.joined) this.follow();
    this.followTempo();
    if (before?.joined && state.joined && state.start_stop && before.playing !== state.playing) this.onTransport(state.playing);
    if (state.installing.state === "running") setTimeout(() => this.load(), 500);
  }

  // --- the deck in time -------------------------------------------------------------------------------------------
  // Play was pressed. True: it is seen to here.
  onPlay() {
    const { deck, player } = this;
    if (!this.joined || !(deck.now.take || deck.now.track || deck.now.live)) return false;
    if (player.isBusy) { this.stop(); return true; }
    if (deck.now.live && !deck.now.take) {
      this.wanted = deck.now.job;
      deck.say("It starts on the bar once it is whole");
      return true;
    }
    this.begin();
    return true;
  }
  async begin() {
    const { state } = this;
    this.wanted = null;
    await this.deck.swapToTake(); // what was heard while it was made has become a take
    if (!state.follow) await this.lead();
    if (state.start_stop && !state.playing) {
      this.ours = performance.now();
      this.pages.postMessage("started");
      await this.ask("play");
      if (this.problem) this.ours = null;
    }
    if (this.joined) this.player.start();
  }
  async lead() {
    const music = await this.player.musicOf(this.deck.now).catch(() => null);
    if (music && Math.abs(music.tempo - this.line.tempo) > 0.01) await this.ask("tempo", { tempo_bpm: music.tempo });
  }
  stop() {
    this.player.halt();
    if (this.state.start_stop && this.state.playing) this.ask("stop");
  }
  // What the user waited for is whole, or another take was put on the deck.
  onShow() {
    const { now } = this.deck;
    if (this.player.isBusy) this.player.handOver();
    if (this.wanted && now.take && now.job === this.wanted && this.joined) setTimeout(() => this.begin());
    else if (now.job !== this.wanted) this.wanted = null;
  }
  // Another program started or stopped everybody.
  onTransport(playing) {
    const mine = playing && performance.now() - (this.ours ?? -1e9) < LONGEST_ANSWER_MS;
    if (playing) this.ours = null; // that was the one
    if (!playing) { if (this.player.isBusy) this.player.halt(); }
    else if (!mine && !this.player.isBusy && (this.deck.now?.take || this.deck.now?.track)) this.player.start();
  }

  // --- the tempo field --------------------------------------------------------------------------------------------
  // The fields are Gradio's, so they are filled by its event (link_panel.py).
  followTempo() {
    const { state } = this, wanted = state.joined && state.follow ? Number(state.tempo_bpm.toFixed(2)) : null;
    clearTimeout(this.telling);
    if (wanted === (this.told ?? null) && !(wanted === null && localStorage.getItem(HELD))) return;
    this.telling = setTimeout(() => {
      if (!window.studioLinkTempo || this.isFilling) return this.followTempo();
      this.told = wanted;
      this.filledAt = performance.now();
      window.studioLinkTempo({ tempo_bpm: wanted, held: JSON.parse(localStorage.getItem(HELD) ?? "null") });
    }, 250);
  }
  // What the field held before comes with Gradio's answer, and the next tempo must know it.
  get isFilling() { return performance.now() - (this.filledAt ?? -1e9) < LONGEST_ANSWER_MS; }

  // --- the panel --------------------------------------------------------------------------------------------------
  listen() {
    const pressed = {
      "st-link-join": () => this.toggle(),
      "st-link-play": () => this.ask(this.state.playing ? "stop" : "play"),
      "st-link-take": () => { this.jobs.armed = 1; },
      "st-link-follow": () => this.ask("choose", { follow: true }),
      "st-link-lead": () => this.ask("choose", { follow: false }),
    };
    const changed = {
      "st-link-tempo": ({ value }) => this.ask("tempo", { tempo_bpm: Number(value) }),
      "st-link-bar": ({ value }) => this.ask("choose", { beats_a_bar: Number(value) }),
      "st-link-latency": ({ value }) => this.ask("choose", { latency_ms: Number(value) }),
      "st-link-sync": ({ checked }) => this.ask("choose", { start_stop: checked }),
    };
    document.addEventListener("click", ({ target }) => pressed[target.closest("button")?.id]?.());
    document.addEventListener("change", ({ target }) => changed[target.id]?.(target));
  }
  async toggle() {
    const { state } = this;
    if (!state) return;
    if (!state.available) return this.ask("install");
    this.toggling = true;
    this.show();
    try { await this.ask(state.joined ? "leave" : "join", state.joined ? undefined : { tempo_bpm: 120 }); }
    finally { this.toggling = false; this.show(); }
  }

  show() {
    const { state } = this, box = $("st-link"), join = $("st-link-join");
    if (!box) return;
    box.closest(".st-link-panel").classList.toggle("st-hidden", !state); // a guest has no Link
    if (!state) return;
    const { installing } = state, running = installing.state === "running";
    box.dataset.state = state.joined ? "joined" : "out";
    box.dataset.playing = state.playing;
    join.textContent = state.joined ? "Leave" : state.available ? "Join" : running ? "Installing" : "Install";
    join.classList.toggle("st-hidden", !state.available && !state.may_install);
    join.disabled = Boolean(this.toggling) || (!state.available && running);
    $("st-link-take").disabled = !state.joined;
    const others = ["Nobody else yet", "1 other program"][state.peers] ?? `${state.peers} other programs`;
    $("st-link-peers").textContent = state.joined ? others : state.available ? "Not joined" : running ? installing.stage : "Not installed";
    const wrong = this.problem || state.error || installing.error;
    $("st-link-error").textContent = wrong;
    $("st-link-error").classList.toggle("st-hidden", !wrong);
    $("st-link-follow").setAttribute("aria-pressed", state.follow);
    $("st-link-lead").setAttribute("aria-pressed", !state.follow);
    if (!this.asking) this.fill(state);
    $("st-link-play").textContent = state.playing ? "Stop all" : "Start all";
    const beats = $("st-link-beats");
    if (beats.childElementCount !== state.beats_a_bar)
      beats.replaceChildren(...Array.from({ length: state.beats_a_bar }, () => document.createElement("i")));
    if (state.joined) this.drawing ??= requestAnimationFrame(() => this.draw());
  }
  // What was just chosen stands until it is answered: news on their way then do not know of it.
  fill(state) {
    this.put("st-link-tempo", state.joined ? Number(state.tempo_bpm.toFixed(2)) : "");
    this.put("st-link-bar", state.beats_a_bar);
    this.put("st-link-latency", state.latency_ms);
    $("st-link-sync").checked = state.start_stop;
  }
  put(id, value) { if (document.activeElement !== $(id)) $(id).value = value; }

  // The beats as they pass, while anyone can see them.
  draw() {
    this.drawing = null;
    const { line } = this, beats = $("st-link-beats");
    if (!beats) return;
    const phase = line ? line.phase(this.clock.now) : -1;
    [...beats.children].forEach((dot, beat) => {
      dot.classList.toggle("now", Math.floor(phase) === beat);
      dot.style.setProperty("--gone", Math.floor(phase) === beat ? (phase % 1).toFixed(2) : 1);
    });
    if (!line) return;
    if (beats.offsetParent) this.drawing = requestAnimationFrame(() => this.draw());
    else this.drawing = setTimeout(() => this.draw(), 500);
  }
}
