// The studio away for a while, killed or started anew: it is said, and what is typed meanwhile is not lost when Gradio
// fetches the page again. The fields' own keeping (kept_form.py) ends when Gradio finds the studio gone; so the words that
// stand there when the page is left, however that happens, are there when it is back.
const DRAFT = "studio-draft", QUIET_MS = 4_000;

export class Away {
  constructor() {
    this.since = null; // when it went away
    document.addEventListener("input", (event) => this.since !== null && event.target.closest?.(".st-prompt") && this.keep());
    addEventListener("pagehide", () => this.keep());
  }

  lost() {
    if (this.since !== null) return;
    this.since = Date.now();
    this.keep();
    this.timer = setTimeout(() => this.show(true), QUIET_MS); // a moment's interruption is nobody's business
  }

  found() {
    if (this.since === null) return;
    this.since = null;
    clearTimeout(this.timer);
    this.show(false);
  }

  // An empty field is not the user's word before what was kept has been put into it.
  keep() {
    const field = document.querySelector(".st-prompt textarea"), restored = document.documentElement.dataset.form === "restored";
    if (field && (field.value || restored)) sessionStorage.setItem(DRAFT, JSON.stringify({ words: field.value }));
  }

  show(away) {
    document.getElementById("st-away").classList.toggle("st-hidden", !away);
    document.body.classList.toggle("st-gone", away);
  }
}
