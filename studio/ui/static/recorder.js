// Runs on the audio thread: hands on what the microphone hears, mono, 1,024 samples at a time.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.held = new Float32Array(1024);
    this.count = 0;
  }
  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    this.held.set(samples, this.count);
    this.count += samples.length;
    if (this.count >= this.held.length) {
      this.port.postMessage(this.held.slice());
      this.count = 0;
    }
    return true;
  }
}
registerProcessor("recorder", Recorder);
