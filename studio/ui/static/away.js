// The studio away for a while, killed or started anew: it is said, and what is typed meanwhile is not lost when Gradio
// fetches the page again. The fields' own keeping goes through the server (build.py); this is for when there is none.
const DRAFT = "studio-draft", QUIET_MS = 4_000, REFETCH_MS = 20_000;

export class Away {
  constructor() {
    this.since = null; // when it went away
    this.until = 0; // how long a page fetched anew shall find the draft
    document.addEventListener("input", (event) => event.target.closest?.(".st-prompt") && this.keep());
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
    this.until = Date.now() + REFETCH_MS;
    this.keep();
    clearTimeout(this.timer);
    this.show(false);
  }

  keep() {
    const field = document.querySelector(".st-prompt textarea"), away = this.since !== null;
    if (field && (away || Date.now() < this.until)) sessionStorage.setItem(DRAFT, JSON.stringify({ words: field.value, until: away ? null : this.until }));
  }

  show(away) {
    document.getElementById("st-away").classList.toggle("st-hidden", !away);
    document.body.classList.toggle("st-gone", away);
  }
}
