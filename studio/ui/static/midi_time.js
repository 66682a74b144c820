// Where the page plays and when: the playhead of the deck or of the desk as it is heard.

// {source, playing, at, when, rate, loop, began}: `at` seconds of the sound are heard at `when` (performance.now()).
// The desk counts while it plays; else what is on the deck.
export function playhead() {
  const { deck, mixer } = window.studio ?? {};
  if (mixer?.sound.playing) return ofDesk(mixer);
  if (deck?.now?.take && !deck.now.live && !(mixer?.isSeen && mixer.sheet && deck.audio.paused)) return ofDeck(deck);
  if (mixer?.isSeen && mixer.sheet) return { source: mixer.sheet.source, playing: false, at: mixer.sound.at, when: performance.now(), rate: 1, loop: null };
  return null;
}

function ofDeck({ audio, now, context, began }) {
  const bar = window.studio.link?.player, line = bar?.session.line;
  if (bar?.state === "playing" && line) { // in a Link session the deck's own player only runs along: the session's beat counts
    const { music, buffer, beat } = bar.playing, at = music.secondsOf(bar.beatAt(line, bar.session.clock.now));
    return { source: `take:${now.take}`, playing: true, at, when: performance.now(), rate: (line.tempo * buffer.scale) / music.tempo, loop: null, began: music.secondsOf(beat) };
  }
  const late = context?.state === "running" ? context.outputLatency || 0 : 0;
  const playing = !audio.paused && !audio.ended && audio.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
  return { source: `take:${now.take}`, playing, at: audio.currentTime - (playing ? late * audio.playbackRate : 0), when: performance.now(),
    rate: audio.playbackRate, loop: null, began };
}

function ofDesk({ sound, sheet }) {
  const { context, loop } = sound, stamp = context.getOutputTimestamp?.();
  const heard = stamp?.performanceTime > 0; // before anything was put out, there is no stamp
  const clock = heard ? stamp.contextTime : context.currentTime, when = heard ? stamp.performanceTime : performance.now();
  let at = sound.from + (clock - sound.startedAt);
  if (loop && at >= loop[1]) at = loop[0] + ((at - loop[0]) % (loop[1] - loop[0]));
  return { source: sheet.source, playing: true, at, when, rate: 1, loop: loop ? [...loop] : null, began: sound.from };
}
