// Where the page plays and when: the playhead of the deck or of the desk as it is heard, and the server's clock seen from here.

// The server's clock: the answer that came back fastest tells best how far the two are apart.
export class ServerTime {
  constructor() { this.offset = null; this.trip = Infinity; }
  async sync(times = 6) {
    for (let n = 0; n < times; n++) {
      const from = performance.now(), answer = await fetch("studio/midi/now", { cache: "no-store" });
      const to = performance.now();
      if (!answer.ok) return false;
      const { now } = await answer.json(), trip = to - from;
      if (trip <= this.trip * 1.5) { this.offset = now - (from + to) / 2_000; this.trip = Math.min(trip, this.trip * 1.1); }
    }
    this.at = performance.now();
    return true;
  }
  get isOld() { return this.offset === null || performance.now() - this.at > 30_000; }
  secondsOf(ms) { return ms / 1_000 + this.offset; } // of performance.now() → the server's seconds
  msOf(seconds) { return (seconds - this.offset) * 1_000; }
}

// {source, playing, at, when, rate, loop, began}: `at` seconds of the sound are heard at `when` (performance.now()).
// The desk counts while it plays; else what is on the deck.
export function playhead() {
  const { deck, mixer } = window.studio ?? {};
  if (mixer?.sound.playing) return ofDesk(mixer);
  if (deck?.now?.take && !deck.now.live && !(mixer?.isSeen && mixer.sheet && deck.audio.paused)) return ofDeck(deck);
  if (mixer?.isSeen && mixer.sheet) return { source: mixer.sheet.source, playing: false, at: mixer.sound.at, when: performance.now(), rate: 1, loop: null };
  return null;
}

function ofDeck({ audio, now, context }) {
  const bar = window.studio.link?.player, line = bar?.session.line;
  if (bar?.state === "playing" && line) { // in a Link session the deck's own player only runs along: the session's beat counts
    const { music, buffer, beat } = bar.playing, at = music.secondsOf(bar.beatAt(line, bar.session.clock.now));
    return { source: `take:${now.take}`, playing: true, at, when: performance.now(), rate: (line.tempo * buffer.scale) / music.tempo, loop: null, began: music.secondsOf(beat) };
  }
  const late = context?.state === "running" ? context.outputLatency || 0 : 0;
  const playing = !audio.paused && !audio.ended && audio.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
  return { source: `take:${now.take}`, playing, at: audio.currentTime - (playing ? late * audio.playbackRate : 0), when: performance.now(),
    rate: audio.playbackRate, loop: null };
}

function ofDesk({ sound, sheet }) {
  const { context, loop } = sound, stamp = context.getOutputTimestamp?.();
  const heard = stamp?.performanceTime > 0; // before anything was put out, there is no stamp
  const clock = heard ? stamp.contextTime : context.currentTime, when = heard ? stamp.performanceTime : performance.now();
  let at = sound.from + (clock - sound.startedAt);
  if (loop && at >= loop[1]) at = loop[0] + ((at - loop[0]) % (loop[1] - loop[0]));
  return { source: sheet.source, playing: true, at, when, rate: 1, loop: loop ? [...loop] : null, began: sound.from };
}
