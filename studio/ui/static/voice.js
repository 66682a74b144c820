// The microphone: one button. It records with a level to see, for a minute at most, sends 16 kHz mono to the studio and
// puts the words heard into the prompt, where the user reads them before anything is made. The sound is not kept.
const $ = (id) => document.getElementById(id);
const MOST_SECONDS = 60, RATE = 16000, BARS = 40;

export class Voice {
  constructor() {
    this.state = "ready"; // ready, asking, recording, listening
    // Gradio may lay the button out anew; the page's own listener stays.
    document.addEventListener("click", (event) => {
      if (event.target.closest("#st-mic")) this.press();
      else if (event.target.closest("#st-voice-cancel")) this.cancel();
      else if (event.target.closest("#st-voice-do")) this.offered?.();
    });
  }

  press() {
    if (this.state === "ready") this.record();
    else if (this.state === "recording") this.finish();
  }

  // --- recording --------------------------------------------------------------------------------------------------
  async record() {
    this.offer(null);
    if (!navigator.mediaDevices?.getUserMedia)
      return this.say("A browser lends its microphone only to a page on this machine or over https: type your wish instead.");
    this.state = "asking"; // the browser asks its user, who may take a while and press again
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false } });
    } catch (error) {
      this.state = "ready";
      const why = { NotAllowedError: "The browser does not let this page use the microphone: allow it beside the address, then press again.",
        NotFoundError: "There is no microphone: plug one in, or type your wish." };
      return this.say(why[error.name] ?? `The microphone cannot be used (${error.message}).`);
    }
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("studio/static/recorder.js");
    this.pieces = [];
    this.levels = [];
    const source = this.context.createMediaStreamSource(this.stream);
    const recorder = new AudioWorkletNode(this.context, "recorder");
    recorder.port.onmessage = ({ data }) => this.heard(data);
    source.connect(recorder);
    this.began = performance.now();
    this.enter("recording");
    this.tick();
  }

  heard(samples) {
    if (this.state !== "recording") return;
    this.pieces.push(samples);
    this.levels.push(Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
  }

  tick() {
    if (this.state !== "recording") return;
    const seconds = (performance.now() - this.began) / 1000;
    if (seconds >= MOST_SECONDS) return this.finish();
    this.say(`Speak: 0:${String(Math.floor(seconds)).padStart(2, "0")} of 1:00. Press again when you are done.`);
    this.draw();
    requestAnimationFrame(() => this.tick());
  }

  draw() {
    const canvas = $("st-voice-level"), pen = canvas.getContext("2d"), style = getComputedStyle(document.body);
    const levels = this.levels.slice(-BARS * 3), step = canvas.width / BARS;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = style.getPropertyValue("--st-accent");
    for (let bar = 0; bar < BARS; bar++) {
      const some = levels.slice(bar * 3, bar * 3 + 3);
      const level = some.length ? Math.max(...some) : 0;
      const tall = Math.max(2, Math.min(1, Math.sqrt(level) * 1.8) * canvas.height);
      pen.fillRect(bar * step, (canvas.height - tall) / 2, step - 2, tall);
    }
  }

  async finish() {
    const rate = this.context.sampleRate, pieces = this.pieces;
    this.enter("listening");
    this.letGo();
    const frames = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (!frames) return this.fail("Nothing was recorded: check that the right microphone is chosen.");
    const whole = new Float32Array(frames);
    let at = 0;
    for (const piece of pieces) { whole.set(piece, at); at += piece.length; }
    this.send(wav(await resampled(whole, rate)));
  }

  letGo() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close();
    this.stream = this.context = null;
  }

  cancel() {
    this.aborter?.abort();
    this.letGo();
    this.enter("ready");
    this.hide();
  }

  // --- listening ----------------------------------------------------------------------------------------------------
  async send(body) {
    this.say("Writing down what you said …");
    this.aborter = new AbortController();
    let answer, said;
    try {
      answer = await fetch("studio/voice", { method: "POST", body, headers: { "Content-Type": "audio/wav" }, signal: this.aborter.signal });
      said = await answer.json();
    } catch (error) {
      return error.name === "AbortError" ? undefined : this.fail("The studio could not be reached.");
    }
    if (answer.ok) return this.put(said);
    this.fail(said.detail);
    if (said.download) this.offer("Download it", () => this.download());
  }

  put({ text, language, model, seconds }) {
    const field = document.querySelector(".st-prompt textarea");
    const before = field.value.trim();
    field.value = before ? `${before}${/[.,;!?]$/.test(before) ? "" : ","} ${text}` : text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
    this.enter("ready");
    this.say(`Heard by Whisper ${model} in ${seconds.toFixed(1)} s, language “${language}”. Read it over, then generate.`);
  }

  async download() {
    this.offer(null);
    await fetch("studio/voice/model", { method: "POST" });
    const look = async () => {
      const state = await (await fetch("studio/voice/model")).json();
      if (state.ready) return this.say(`${state.label} is here: press the microphone and speak.`);
      if (!state.running) { this.say(state.error || state.sentence); return this.offer("Download it", () => this.download()); }
      this.say(`Downloading ${state.label}: ${Math.round(100 * state.fraction)} %`);
      setTimeout(look, 1000);
    };
    look();
  }

  // --- showing ------------------------------------------------------------------------------------------------------
  enter(state) {
    this.state = state;
    const button = $("st-mic");
    button.classList.toggle("recording", state === "recording");
    button.classList.toggle("listening", state === "listening");
    button.setAttribute("aria-pressed", state === "recording");
    button.setAttribute("aria-label", { ready: "Speak your wish", recording: "Stop recording", listening: "Listening" }[state]);
    $("st-voice-level").classList.toggle("st-hidden", state !== "recording");
    $("st-voice-cancel").classList.toggle("st-hidden", state === "ready");
  }
  fail(sentence) { this.enter("ready"); this.say(sentence); }
  say(sentence) { $("st-voice").classList.remove("st-hidden"); $("st-voice-say").textContent = sentence; }
  hide() { $("st-voice").classList.add("st-hidden"); }
  offer(text, run = null) {
    this.offered = run;
    $("st-voice-do").textContent = text ?? "";
    $("st-voice-do").classList.toggle("st-hidden", !text);
  }
}

async function resampled(samples, rate) {
  const frames = Math.max(1, Math.round((samples.length * RATE) / rate));
  const offline = new OfflineAudioContext(1, frames, RATE);
  const buffer = offline.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const source = offline.createBufferSource();
  source.buffer = buffer;
  source.connect(offline.destination);
  source.start();
  return (await offline.startRendering()).getChannelData(0);
}

// 16-bit PCM in a RIFF file (the header's layout is Microsoft's, 44 bytes).
function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true); view.setUint32(28, 2 * RATE, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return view.buffer;
}
