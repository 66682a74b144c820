// One track of the Library's list: its sound one press away, its figures as badges that narrow, what can be done with it.
import { clock } from "./deck.js";
import { PLAY } from "./icons.js";
import { element, pretty } from "./library.js";

const folder = (file) => file?.split(/[\\/]/).at(-2) ?? ""; // what an untagged file is known by
const GUESSED = ["rules", "clap"];
const SAID = { tags: "by the file’s tags", folder: "by its folder’s name", rules: "a guess by the studio’s rules", clap: "a guess by CLAP, by ear", take: "as it was planned" };

export function rowOf(library, track) {
  const row = element("article", "st-track");
  row.dataset.track = track.id;
  const play = element("button", "st-play");
  play.innerHTML = PLAY;
  play.setAttribute("aria-label", `Play ${track.label}`);
  play.onclick = () => library.play(track);
  const name = element("div", "st-track-name");
  const tagged = [track.artist, track.album, track.year].filter(Boolean).join(" · ");
  name.append(element("b", "", track.title), element("span", "st-note", tagged || (track.take ? "" : folder(track.file))));
  name.title = track.file ?? track.label;
  row.append(play, name, acts(library, track), badges(library, track));
  if (track.why?.length) {
    const why = element("ul", "st-why");
    why.append(...track.why.map((sentence) => element("li", "", sentence)));
    row.append(why);
  }
  return row;
}

function badges(library, track) {
  const facts = element("div", "st-badges"), heard = track.features;
  const badge = (text, title, act, more = "") => {
    const one = element(act ? "button" : "span", `st-badge ${more}`, text);
    if (title) one.title = title;
    if (act) one.onclick = act;
    facts.append(one);
  };
  const kind = (filter, value, by) =>
    badge(pretty(value), `${SAID[by] ?? ""}; press for more of it`, () => library.narrow(filter, value, pretty(value)), GUESSED.includes(by) ? "st-guess" : "");
  if (track.genre) kind("genre", track.genre, track.genre_by);
  if (heard) {
    const sure = Math.round(100 * heard.tempo_confidence), bpm = Math.round(heard.tempo_bpm);
    const unsure = heard.tempo_octave < 0.5 ? `, or ${Math.round(heard.other_bpm)}` : "";
    badge(`${bpm} bpm${unsure}`, `Tempo with ${sure} % confidence; press for such tempos`, () =>
      library.narrow("tempo", `${Math.floor(heard.tempo_bpm * 0.96)}-${Math.ceil(heard.tempo_bpm * 1.04)}`, `about ${bpm} bpm`));
    badge(heard.key_name, `Key with ${Math.round(100 * heard.key_confidence)} % confidence; press for keys that mix with it`, () => library.narrow("key", heard.key, heard.key_name));
    const energy = element("span", "st-energy");
    energy.style.setProperty("--share", heard.energy);
    energy.title = `Energy ${heard.energy.toFixed(2)}, danceability ${heard.danceability.toFixed(2)}, ${heard.loudness_lufs.toFixed(1)} LUFS`;
    facts.append(energy);
  }
  for (const mood of track.moods.slice(0, 2)) kind("mood", mood, track.moods_by);
  if (track.take) badge("made here", "A take of this studio’s");
  badge(clock(track.seconds));
  return facts;
}

function acts(library, track) {
  const place = element("div", "st-acts");
  const button = (text, title, act, more = "") => {
    const one = element("button", `st-act ${more}`, text);
    one.title = title;
    one.onclick = act;
    place.append(one);
    return one;
  };
  button("Like this", "Find what sounds like it", () => library.likeThis(track));
  const desk = button("Stems", "Take it apart on the desk", null);
  Object.assign(desk.dataset, { act: "stems", source: track.take ? `take:${track.take}` : `track:${track.id}` });
  button("Go on", "Go on from its end for 15 seconds, with a MusicGen model", () =>
    library.act({ action: "continue", track: String(track.id), seconds: 15 }));
  button("Use", "Make music in its style: put it into the tray for Generate, up to five at once", () => library.tray.toggle(track), "st-use");
  return place;
}
