// The map of styles and the dashboard, drawn by Plotly; every mark narrows the list, and a point of the map plays.
import { ask, element, pretty, send } from "./library.js";

const $ = (id) => document.getElementById(id);
const FIFTHS = [0, 7, 2, 9, 4, 11, 6, 1, 8, 3, 10, 5]; // majors by fifths; each one's relative minor lies beside it
// Told apart by those who see colours otherwise too: after Okabe and Ito (2008), lightened for dark ground.
const COLOURS = ["#e69f00", "#56b4e9", "#2bb58e", "#f0e442", "#5b8def", "#e2725b", "#cc79a7", "#9ad14b", "#b79cff", "#c9b28f"];

let plotly;
function drawn() { // Plotly, fetched from this studio when a chart is first wanted
  plotly ??= new Promise((ready, failed) => {
    const script = document.createElement("script");
    script.src = "studio/library/plotly.js";
    script.onload = () => ready(window.Plotly);
    script.onerror = () => failed(new Error("The charts could not be loaded."));
    document.head.append(script);
  });
  return plotly;
}

export class Charts {
  constructor(library) {
    this.library = library;
    this.view = "list";
    new MutationObserver(() => this.open(this.view)).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  open(view) {
    this.view = view;
    if (view === "map") this.map();
    if (view === "charts") { this.dashboard(); this.duplicates(); }
  }
  refresh() {
    if (this.view === "charts") this.dashboard();
    if (this.view === "map") this.shade();
  }

  layout(more = {}) {
    const text = this.colour("muted"), { line } = this;
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, fixedrange: true };
    return { paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: text, size: 12, family: "inherit" }, showlegend: false,
      hoverlabel: { bgcolor: this.colour("raised"), bordercolor: line, font: { color: this.text, family: "inherit" } }, margin: { l: 8, r: 8, t: 8, b: 8 }, dragmode: false, xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis }, ...more.rest };
  }
  colour(name) { return getComputedStyle(document.body).getPropertyValue(`--st-${name}`).trim(); }
  get accent() { return this.colour("accent"); }
  get onAccent() { return this.colour("on-accent"); }
  get cool() { return this.colour("cool"); }
  get text() { return this.colour("text"); }
  get line() { return this.colour("line"); }
  get ground() { return this.colour("panel"); }

  // --- the map ----------------------------------------------------------------------------------------------------
  async map() {
    clearTimeout(this.waiting);
    const say = $("st-lib-map-say"), turn = (this.mapping = {});
    let answer;
    try { answer = await ask("map"); } catch (error) { say.textContent = error.message; return; }
    if (turn !== this.mapping) return; // asked for again meanwhile
    if (answer.drawing) {
      say.textContent = answer.map ? "A newer map is being drawn." : "The map is being drawn; that takes some seconds.";
      this.waiting = setTimeout(() => this.view === "map" && this.map(), 1500);
    } else say.textContent = answer.error;
    if (!answer.map) return;
    const { map } = answer;
    if (!answer.drawing)
      say.textContent = `${map.ids.length} tracks; what sounds alike lies together. Press a point to hear it.` +
        (map.left_out ? ` ${map.left_out.toLocaleString()} more are not drawn.` : "") + (map.drawn_by === "pca" ? " With more tracks the map grows finer." : "");
    this.clusters(map);
    const names = new Map(map.clusters.map((one) => [one.number, one.name]));
    const Plotly = await drawn();
    if (turn !== this.mapping) return;
    const points = {
      type: "scatter", mode: "markers", x: map.x, y: map.y, customdata: map.ids,
      text: map.ids.map((_, i) => `<b>${escaped(map.labels[i])}</b><br>${escaped(map.facts[i])}<br>${escaped(names.get(map.cluster[i]) ?? "between styles")}`),
      hovertemplate: "%{text}<extra></extra>",
      marker: { size: map.ids.length > 800 ? 6 : 10, opacity: this.opacity(map), line: { width: 0 }, color: map.cluster.map((one) => (one < 0 ? "#8884" : COLOURS[one % COLOURS.length])) },
    };
    this.drawnMap = map;
    const hidden = { showgrid: false, zeroline: false, showticklabels: false, showline: false };
    await Plotly.react("st-lib-map", [points], this.layout({ xaxis: hidden, yaxis: hidden, rest: { hovermode: "closest" } }), { responsive: true, displayModeBar: false });
    const plot = $("st-lib-map");
    plot.removeAllListeners?.("plotly_click");
    plot.on("plotly_click", ({ points: [point] }) => this.hear(point.customdata));
  }

  // The points of a style that the list is narrowed to stand out.
  opacity(map) {
    const style = this.library.filters.cluster?.value;
    return style ? map.cluster.map((one) => (`${map.drawn}.${one}` === style ? 1 : 0.15)) : 0.9;
  }
  shade() {
    if (this.drawnMap && window.Plotly && $("st-lib-map").data) window.Plotly.restyle("st-lib-map", { "marker.opacity": [this.opacity(this.drawnMap)] });
  }

  async hear(id) {
    const { tracks: [track] } = await ask(`tracks?among=${id}`);
    if (track) this.library.play(track);
  }

  clusters(map) {
    $("st-lib-clusters").replaceChildren(...map.clusters.map((one) => {
      const card = element("div", "st-cluster");
      card.style.setProperty("--colour", COLOURS[one.number % COLOURS.length]);
      const name = element("button", "st-cluster-name", `${one.name} · ${one.size.toLocaleString()}`);
      name.title = "Show these tracks alone";
      name.onclick = () => this.library.only("cluster", `${map.drawn}.${one.number}`, one.name);
      const why = element("p", "st-note", one.because.join(" "));
      const prompt = element("button", "st-act", "More like this style");
      prompt.title = "Its most typical tracks as references for Generate";
      prompt.onclick = () => this.library.tray.act({ action: "use", references: one.tracks.slice(0, 3).map((id) => ({ id: `track:${id}`, weight: 1 })) });
      const acts = element("div", "st-acts");
      acts.append(prompt);
      if (one.prompt) {
        const words = element("button", "st-act", "Write it as a prompt");
        words.title = one.prompt;
        words.onclick = () => this.library.tray.act({ action: "words", words: one.prompt });
        acts.append(words);
      }
      card.append(name, why, acts);
      return card;
    }));
  }

  // --- the dashboard ----------------------------------------------------------------------------------------------
  async dashboard() {
    const turn = (this.counting = {});
    let seen;
    try { seen = await ask(`overview?${this.library.query({ bare: true })}`); } catch { return; }
    const Plotly = await drawn(), quiet = { responsive: true, displayModeBar: false };
    if (turn !== this.counting) return; // something else narrows the list by now
    const draw = async (name, data, layout, pressed) => {
      if (turn !== this.counting) return;
      const plot = $(`st-chart-${name}`);
      await Plotly.react(plot, data, layout, quiet);
      plot.removeAllListeners?.("plotly_click");
      plot.on("plotly_click", ({ points: [point] }) => pressed(point));
    };
    for (const [name, there, why] of [["genres", seen.genres.length, "No track says its genre, and none could be told."], ["moods", seen.moods.length, "No mood could be told."], ["years", seen.years.length, "No track says its year."]]) {
      $(`st-chart-${name}`).classList.toggle("st-hidden", !there);
      const note = $(`st-chart-${name}`).nextElementSibling ?? $(`st-chart-${name}`).parentElement.appendChild(element("p", "st-note"));
      note.textContent = there ? "" : why;
    }
    const chosen = (name) => String(this.library.filters[name]?.value ?? "");
    const bars = (rows, name) => {
      const top = rows.slice(0, 14).reverse();
      const colours = top.map(([one]) => (chosen(name) && chosen(name) !== one ? "#8886" : this.accent));
      return [{ type: "bar", orientation: "h", width: top.map(() => Math.min(0.75, 0.16 * top.length)), y: top.map(([one]) => pretty(one)), x: top.map(([, count]) => count), customdata: top.map(([one]) => one),
        marker: { color: colours }, hovertemplate: "%{y}: %{x}<extra></extra>" }];
    };
    const toggle = (name, value, label) => this.library.narrow(name, chosen(name) === String(value) ? "" : value, label);
    const whole = (rows) => this.layout({ xaxis: { tickformat: "d", dtick: (rows[0]?.[1] ?? 0) < 6 ? 1 : undefined } }); // half a track is none
    await draw("genres", bars(seen.genres, "genre"), whole(seen.genres), (point) => toggle("genre", point.customdata, pretty(point.customdata)));
    await draw("moods", bars(seen.moods, "mood"), whole(seen.moods), (point) => toggle("mood", point.customdata, pretty(point.customdata)));
    await draw("keys", this.circle(seen, chosen("key")), this.layout({ rest: { margin: { l: 4, r: 4, t: 4, b: 4 } } }), (point) => {
      const key = point.customdata?.[0] ?? point.customdata; // Plotly wraps a slice's
      toggle("key", key, seen.key_names[key]);
    });
    await draw("tempos", [{ type: "bar", x: seen.tempos.map(([low]) => low + 2.5), y: seen.tempos.map(([, count]) => count), customdata: seen.tempos.map(([low]) => low), width: 4.4,
      text: seen.tempos.map(([low, count]) => `${low} – ${low + 5} bpm: ${count}`), textposition: "none", hovertemplate: "%{text}<extra></extra>", marker: { color: this.accent } }],
      this.layout({ xaxis: { ticksuffix: " bpm", range: around(seen.tempos.map(([low]) => low)) }, yaxis: { tickformat: "d", dtick: Math.max(0, ...seen.tempos.map(([, count]) => count)) < 6 ? 1 : undefined } }), (point) => toggle("tempo", `${point.customdata}-${point.customdata + 5}`, `${point.customdata} – ${point.customdata + 5} bpm`));
    await draw("years", [{ type: "scatter", mode: "lines+markers", x: seen.years.map(([year]) => year), y: seen.years.map(([, energy]) => energy), customdata: seen.years.map(([year]) => year),
      marker: { color: this.accent, size: seen.years.map(([, , count]) => Math.min(22, 7 + 2 * Math.sqrt(count))) }, line: { color: this.cool, shape: "spline" },
      text: seen.years.map(([year, energy, count]) => `${year}: energy ${energy.toFixed(2)}, ${count} tracks`), hovertemplate: "%{text}<extra></extra>" }],
      this.layout({ yaxis: { range: [0, 1] }, xaxis: { tickformat: "d", dtick: seen.years.length && seen.years.at(-1)[0] - seen.years[0][0] < 8 ? 1 : undefined } }), (point) => toggle("years", `${point.customdata}-${point.customdata}`, String(point.customdata)));
  }

  // Majors outside, each one's relative minor inside it; the more tracks are in a key, the fuller its colour.
  circle(seen, chosen) {
    const most = Math.sqrt(Math.max(1, ...seen.keys)), shade = (key) => (seen.keys[key] ? 0.2 + (0.8 * Math.sqrt(seen.keys[key])) / most : 0);
    const ring = (keys, colour, hole, inset) => ({ type: "pie", values: keys.map(() => 1), labels: keys.map((key) => seen.key_names[key]), customdata: keys, sort: false,
      direction: "clockwise", rotation: -15, hole, domain: { x: [inset, 1 - inset], y: [inset, 1 - inset] }, textposition: "inside", insidetextorientation: "horizontal",
      text: keys.map((key) => seen.key_names[key].replace(" major", "").replace(" minor", "m")), textinfo: "text", hovertemplate: "%{label}: %{hovertext}<extra></extra>",
      hovertext: keys.map((key) => seen.keys[key].toLocaleString()), textfont: { color: keys.map((key) => readable(mixed(colour, this.ground, shade(key)), [this.text, this.onAccent])), size: 12 },
      marker: { colors: keys.map((key) => mixed(colour, this.ground, shade(key))), line: { color: keys.map((key) => (String(key) === chosen ? this.text : this.line)), width: keys.map((key) => (String(key) === chosen ? 3 : 1)) } } });
    const minors = FIFTHS.map((tonic) => 12 + ((tonic + 9) % 12));
    return [ring(FIFTHS, this.accent, 0.66, 0), ring(minors, this.cool, 0.45, 0.19)];
  }

  // --- duplicates: looked for by the studio in the background, shown as they stand ---------------------------------
  async seek(stop) {
    try { this.twins(await send("duplicates", { stop })); } catch (error) { this.twinsSay(error.message, "st-error"); }
  }

  async duplicates() {
    clearTimeout(this.seeking);
    try { this.twins(await ask("duplicates")); } catch (error) { this.twinsSay(error.message, "st-error"); }
  }

  twinsSay(text, more = "") { $("st-lib-duplicates").replaceChildren(element("p", `st-note ${more}`, text)); }

  twins({ groups, count, old, running, done, total, error }) {
    const place = $("st-lib-duplicates"), parts = [], button = (text, stop) => {
      const one = element("button", "st-act", text);
      one.onclick = () => this.seek(stop);
      return one;
    };
    if (running) {
      const meter = element("div", "st-meter"), bar = element("i");
      bar.style.width = `${total ? (100 * done) / total : 0}%`;
      meter.append(bar);
      parts.push(meter, element("p", "st-note", total ? `Compared ${done.toLocaleString()} of ${total.toLocaleString()} recordings …` : "Comparing recordings …"), button("Stop", true));
      this.seeking = setTimeout(() => this.view === "charts" && this.duplicates(), 800);
    } else {
      if (error) parts.push(element("p", "st-note st-error", error));
      if (groups && !groups.length) parts.push(element("p", "st-note", "No recording is here twice."));
      for (const group of groups ?? []) {
        const row = element("button", "st-cluster-name", [...new Set(group.map((one) => one.label))].join("  =  "));
        row.title = "Show them in the list";
        row.onclick = () => this.library.only("among", group.map((one) => one.id).join(","), "one recording");
        parts.push(row, ...group.filter((one) => one.file).map((one) => element("p", "st-note st-path", one.file)));
      }
      if (groups && count > groups.length) parts.push(element("p", "st-note", `And ${(count - groups.length).toLocaleString()} more.`));
      if (old) parts.push(element("p", "st-note", "The library has changed since."));
      parts.push(button(groups ? "Look again" : "Look for duplicates", false));
    }
    place.replaceChildren(...parts);
  }
}

// Colours of the theme: as numbers of 0 to 255, share of one over the ground, and the ink that stands out on it most
// (contrast as in WCAG 2.1).
const channels = (colour) => (colour[0] === "#" ? [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)) : colour.match(/\d+/g).map(Number));
const mixed = (colour, ground, share) => `rgb(${channels(colour).map((one, n) => Math.round(share * one + (1 - share) * channels(ground)[n]))})`;
const light = (colour) => channels(colour).map((one) => (one / 255) ** 2.2).reduce((sum, one, n) => sum + one * [0.2126, 0.7152, 0.0722][n], 0.05);
const contrast = (one, other) => Math.max(light(one), light(other)) / Math.min(light(one), light(other));
const readable = (ground, inks) => inks.reduce((best, ink) => (contrast(ink, ground) > contrast(best, ground) ? ink : best));
const around = (lows) => (lows.length ? [Math.min(...lows) - 10, Math.max(...lows) + 15] : undefined); // one bar is no wall
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
