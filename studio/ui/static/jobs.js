// The queue: every job of this visitor, as the server tells of it. It survives a reload because it is the server's.
import { Away } from "./away.js";
import { clock } from "./deck.js";
import { PLAY } from "./icons.js";
import { make, redraw } from "./making.js";

const RUNNING = new Set(["queued", "planning", "rendering", "writing"]);
const SHOWN = new Set([...RUNNING, "failed", "interrupted"]);

export class Jobs {
  // deck: the Deck. changed: called when a job has ended, so that lists of takes can be read anew.
  constructor(deck, act) {
    this.deck = deck;
    this.act = act;
    this.known = new Map();
    this.armed = 0; // how many jobs this page has asked for and will play as soon as they sound
    this.first = true;
    this.away = new Away();
    this.connect();
  }

  connect() {
    this.source = new EventSource("studio/events");
    this.source.onmessage = (event) => this.update(JSON.parse(event.data).jobs);
    this.source.addEventListener("beside", (event) => this.onBeside?.(JSON.parse(event.data)));
    // EventSource reconnects by itself; a closed one (the studio was restarted) is opened anew.
    this.source.onopen = () => this.away.found();
    this.source.onerror = () => {
      this.away.lost();
      if (this.source.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), 2000);
    };
  }

  get active() { return [...this.known.values()].filter((job) => RUNNING.has(job.state)); }
  get current() { return this.active.find((job) => job.state !== "queued"); }

  async stop(id = this.current?.id ?? this.active[0]?.id) {
    if (id) await fetch(`studio/jobs/${id}/cancel`, { method: "POST" });
  }

  update(jobs) {
    const before = this.known;
    this.known = new Map(jobs.map((job) => [job.id, job]));
    for (const job of jobs) {
      const was = before.get(job.id);
      if (!was && !this.first && this.armed > 0 && RUNNING.has(job.state)) { this.armed -= 1; job.wanted = true; }
      job.wanted ??= was?.wanted;
      if (job.wanted && job.sounding) { job.wanted = false; this.deck.loadJob(job); }
      if (was && RUNNING.has(was.state) && !RUNNING.has(job.state)) this.ended(job);
      this.deck.follow(job);
    }
    // After a reload, what is being made is on the deck again, silent until play is pressed.
    const running = this.current;
    if (this.first && running && !this.deck.now) this.deck.loadJob(running, { play: false });
    this.first = false;
    this.show(jobs.filter((job) => SHOWN.has(job.state)));
    this.showProgress();
  }

  ended(job) {
    // What was stopped or too quick to be caught sounding is played from the take that was kept.
    if (job.wanted && job.take_id) { job.wanted = false; this.deck.loadTake(job.take_id); }
    this.act({ action: "refresh" });
  }

  showProgress() {
    const job = this.current ?? this.active[0];
    const stop = document.getElementById("st-stop");
    stop.classList.toggle("st-hidden", !job);
    if (!job) {
      if (this.wasRunning) this.deck.say("");
      this.wasRunning = false;
      return;
    }
    this.wasRunning = true;
    this.deck.say(progress(job));
  }

  show(jobs) {
    const list = document.getElementById("st-jobs");
    if (list) redraw(list, jobs.map((job) => this.card(job)));
  }

  card(job) {
    const card = make("article", "st-card");
    card.dataset.job = card.dataset.key = job.id;
    card.classList.toggle("playing", this.deck.now?.job === job.id);
    const play = make("button", "st-play");
    play.innerHTML = PLAY;
    play.type = "button";
    play.disabled = !job.sounding || !RUNNING.has(job.state);
    play.setAttribute("aria-label", `Play ${job.title || job.words}`);
    play.onclick = () => this.deck.loadJob(job);
    const acts = make("div", "st-acts");
    const button = (text, action, className = "") => {
      const element = make("button", `st-act ${className}`, text);
      element.type = "button";
      element.onclick = action;
      acts.append(element);
    };
    if (RUNNING.has(job.state)) button("Stop", () => this.stop(job.id), "danger");
    else {
      if (job.can_keep_again) button("Try to keep it again", () => this.act({ action: "keep", job: job.id }));
      else button("Run again", () => this.act({ action: "rerun", job: job.id }));
      button("Dismiss", () => this.act({ action: "dismiss", job: job.id }));
    }
    const line = make("p", job.error ? "st-error" : "", job.error || progress(job));
    if (job.error) line.style.whiteSpace = "normal";
    else line.setAttribute("aria-live", "off"); // a screen reader hears of the card, not of every second
    card.append(play, make("h4", "", job.title || job.words || "A take"), acts, line);
    if (RUNNING.has(job.state) && job.state !== "queued") {
      const meter = make("div", "st-meter st-wide");
      const fill = make("i");
      fill.style.width = `${Math.round(job.fraction * 100)}%`;
      meter.append(fill);
      card.append(meter);
    }
    return card;
  }
}

function progress(job) {
  if (job.state === "queued") return job.position > 0 ? `Waiting, number ${job.position} in the queue` : "Waiting for its turn";
  if (job.state === "interrupted") return "The studio was closed while this was being made.";
  if (job.state === "planning") return "Planning the song";
  if (job.state === "writing") return "Keeping the take";
  const parts = [job.stage ? job.stage[0].toUpperCase() + job.stage.slice(1) : "Making"];
  if (job.seconds_total) parts.push(`${clock(job.seconds_done)} of ${clock(job.seconds_total)}`);
  if (job.seconds_left > 1) parts.push(`${clock(job.seconds_left)} left`);
  return parts.join(" · ");
}
