// Bringing music in: folders and files with their progress, playlists, one sound from elsewhere.
import { ask, element, send } from "./library.js";
import { redraw } from "./making.js";

const $ = (id) => document.getElementById(id);
const minutes = (seconds) => (seconds == null ? "" : seconds < 90 ? `${Math.round(seconds)} s left` : `${Math.round(seconds / 60)} min left`);

const files = (count) => `${count.toLocaleString()} file${count === 1 ? "" : "s"}`;
const tracks = (count) => `${count.toLocaleString()} track${count === 1 ? "" : "s"}`;
const STAGES = { starting: "Starting …", scanning: "Looking through the folders …", listening: "Getting ready to listen …" };

export class Bring {
  constructor(library) {
    this.library = library;
    const start = async () => {
      try {
        this.begun(await send("import", { path: $("st-lib-path").value, watched: $("st-lib-watch").checked }));
        this.poll();
      } catch (error) { this.say(error.message); }
    };
    $("st-lib-import").addEventListener("click", start);
    $("st-lib-path").addEventListener("keydown", (event) => event.key === "Enter" && start());
    $("st-lib-files").addEventListener("change", (event) => { this.upload([...event.target.files]); event.target.value = ""; });
    $("st-lib-table").addEventListener("change", (event) => { if (event.target.files[0]) this.table(event.target.files[0]); event.target.value = ""; });
    $("st-youtube-fetch").addEventListener("click", () => this.youtube());
    $("st-spotify-sign-in").addEventListener("click", () => this.spotify("spotify/sign-in", { client_id: $("st-spotify-client").value }));
    $("st-spotify-read").addEventListener("click", () => this.spotify("spotify/playlist", { client_id: $("st-spotify-client").value, playlist: $("st-spotify-playlist").value }));
    setInterval(() => document.visibilityState === "visible" && $("st-library")?.offsetParent && this.library.status(), 5000);
  }

  say(text) { $("st-lib-job").replaceChildren(element("p", "st-note st-error", text)); }

  show(now) {
    for (const each of document.querySelectorAll(".st-owner-only")) each.classList.toggle("st-hidden", !now.may_import);
    for (const each of document.querySelectorAll(".st-outside")) each.classList.toggle("st-hidden", !now.may_fetch);
    if (now.job) this.job(now.job);
    if (now.job?.state === "running" && !this.polling) this.poll();
    this.folders(now);
  }

  // What stands below the field: written anew only when something in it has changed, so that no press goes astray.
  folders(now) {
    const key = JSON.stringify([now.notice, now.folders, now.gone, now.broken, this.forgetting]);
    if (key === this.written) return;
    this.written = key;
    const said = [];
    const note = (text, ...presses) => {
      const line = element("p", "st-note", text);
      for (const [words, act, title = ""] of presses) {
        const press = element("button", "st-act", words);
        press.title = title;
        press.onclick = act;
        line.append(" ", press);
      }
      said.push(line);
    };
    const forget = async (body) => {
      this.forgetting = null;
      try { await send("forget", body); } catch (error) { this.say(error.message); }
      this.library.status();
    };
    const ask = (path) => { this.forgetting = path; this.folders(now); };
    if (now.notice) note(now.notice);
    for (const [path, watched, count] of now.folders ?? []) {
      if (this.forgetting === path)
        note(`Forget ${path}: what of its ${tracks(count)}? No file is touched.`, ["Keep them in the library", () => forget({ path })], ["Take them out", () => forget({ path, tracks: true })], ["Cancel", () => ask(null)]);
      else note(`${path}: ${tracks(count)}${watched ? ", watched" : ""}`, ["Forget …", () => ask(path)]);
    }
    if (now.folders?.length) note("", ["Look through them again", () => this.work("rescan"), "Finds what is new, changed, moved or gone"]);
    if (now.gone) note(`${tracks(now.gone)} not where ${now.gone === 1 ? "it was" : "they were"}; what was heard is kept.`, ["Take out", () => forget({ gone: true }), "Out of the library, with what was heard"]);
    if (now.broken?.length) {
      const list = element("details", "st-note");
      list.append(element("summary", "", `${files(now.broken.length)} could not be read`), ...now.broken.map(([name, why]) => element("p", "", `${name}: ${why}`)));
      said.push(list);
    }
    $("st-lib-folders").replaceChildren(...said);
  }

  async work(what) {
    try { this.begun(await send("work", { what })); this.poll(); } catch (error) { this.say(error.message); }
  }

  begun({ job }) {
    this.library.overtake();
    this.job(job);
  }

  async poll() {
    this.polling = true;
    await this.library.status();
    if (this.library.now?.job?.state === "running") return setTimeout(() => this.poll(), 600);
    this.polling = false;
    if (!this.library.beingRead) this.library.refresh();
  }

  job(job) {
    const box = element("div", "st-import");
    box.append(element("b", "", job.what));
    if (job.state === "running") {
      const meter = element("div", "st-meter"), bar = element("i");
      bar.style.width = `${job.total ? (100 * job.done) / job.total : 0}%`;
      meter.append(bar);
      const pace = job.total
        ? [`${job.done.toLocaleString()} of ${job.total.toLocaleString()}`, job.tracks_a_minute ? `${Math.round(job.tracks_a_minute)} a minute` : "", minutes(job.seconds_left), job.broken ? `${job.broken} could not be read` : "", job.now]
        : [STAGES[job.stage] ?? job.stage];
      const stop = element("button", "st-act danger", job.stopping ? "Stopping …" : "Stop");
      stop.disabled = job.stopping;
      stop.onclick = async () => this.begun(await send("stop", {}));
      box.append(meter, element("span", "st-note", pace.filter(Boolean).join(" · ")), stop);
    } else if (job.error) box.append(element("p", "st-note st-error", job.error));
    else if (job.report) {
      const { report } = job;
      const parts = [["added", "new"], ["changed", "changed"], ["moved", "moved"], ["unchanged", "as they were"], ["gone", "gone"]].filter(([name]) => report[name]).map(([name, word]) => `${report[name].toLocaleString()} ${word}`);
      box.append(element("p", "st-note", `${job.state === "stopped" ? "Stopped. " : ""}${parts.join(", ") || "Nothing new"}${report.broken_count ? `, ${report.broken_count} could not be read` : ""}.`));
      for (const sentence of report.unreadable) box.append(element("p", "st-note st-error", sentence));
    }
    redraw($("st-lib-job"), [box]);
  }

  // One that cannot be read keeps none of the others out.
  async upload(chosen) {
    const place = $("st-lib-uploads"), refused = [];
    for (const [number, file] of chosen.entries()) {
      place.textContent = `Listening to ${file.name} (${number + 1} of ${chosen.length}) …`;
      try { await ask(`upload?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file }); }
      catch (error) { refused.push(error.message); }
    }
    const kept = chosen.length - refused.length;
    const said = kept === 1 && chosen.length === 1 ? `${chosen[0].name} is in the library.` : kept ? `${files(kept)} ${kept === 1 ? "is" : "are"} in the library.` : "";
    place.replaceChildren(...(said ? [element("p", "", said)] : []), ...refused.map((sentence) => element("p", "st-error", sentence)));
    this.library.status();
  }

  async table(file) {
    await this.playlist(() => ask(`outside/table?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file }));
  }

  async playlist(read) {
    const place = $("st-lib-playlist");
    place.replaceChildren(element("p", "st-note", "Reading …"));
    try {
      const said = await read();
      const list = element("ul", "st-note");
      list.append(...said.sentences.map((one) => element("li", "", one)));
      const own = element("p", "st-note", `${said.matched.length} of its ${said.tracks} tracks are in your library.`);
      place.replaceChildren(element("b", "", said.name), list, own);
      const button = (text, act) => { const press = element("button", "st-act", text); press.onclick = act; place.append(press, " "); };
      if (said.matched.length) button("Show them", () => { this.library.only("among", said.matched.join(","), said.name); this.library.view("list"); });
      if (said.tempo) button("My tracks at its tempos", () => { this.library.only("tempo", said.tempo.map(Math.round).join("-"), `${said.tempo.map(Math.round).join(" – ")} bpm`); this.library.view("list"); });
      for (const note of said.notes) place.append(element("p", "st-note", note));
    } catch (error) { place.replaceChildren(element("p", "st-note st-error", error.message)); }
  }

  async spotify(path, body) {
    const say = $("st-spotify-say");
    try {
      if (path.endsWith("playlist")) return await this.playlist(() => send(`outside/${path}`, body));
      const { address, redirect } = await send(`outside/${path}`, body);
      say.textContent = `Spotify opens in another window; its app must have ${redirect} as a redirect URI. Come back here afterwards.`;
      window.open(address, "_blank", "noopener");
    } catch (error) { say.textContent = error.message; }
  }

  async youtube() {
    const say = $("st-youtube-say");
    say.textContent = "Fetching …";
    try {
      const track = await send("outside/youtube", { address: $("st-youtube").value, rights: $("st-youtube-rights").checked });
      say.textContent = `“${track.label}” is in the library.`;
      this.library.status();
    } catch (error) { say.textContent = error.message; }
  }
}
