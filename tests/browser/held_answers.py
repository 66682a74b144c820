"""Gradio's answers to the page held back for a while, as a busy server holds them, so that a test can act before they come."""

from __future__ import annotations

from playwright.sync_api import Page

HELD_BACK = """() => {
  window.heldBackMs = 0;
  window.heldBack = ""; // what has come by now and is kept from the page
  window.openStreams = 0;
  const fetched = window.fetch.bind(window);
  window.fetch = async (...asked) => {
    const answer = await fetched(...asked);
    if (!String(asked[0]?.url ?? asked[0]).includes("queue/data")) return answer;
    window.openStreams++;
    const heard = new TransformStream({
      transform(piece, out) {
        if (window.heldBackMs) window.heldBack += new TextDecoder().decode(piece);
        out.enqueue(piece);
      },
    });
    const late = new TransformStream({
      async transform(piece, out) {
        const until = performance.now() + window.heldBackMs;
        while (performance.now() < until && window.heldBackMs) await new Promise((go) => setTimeout(go, 20));
        if (new TextDecoder().decode(piece).includes('"close_stream"')) setTimeout(() => window.openStreams--);
        out.enqueue(piece);
      },
    }, { highWaterMark: 1000 }); // so that what comes behind a held piece is heard too
    return new Response(answer.body.pipeThrough(heard).pipeThrough(late), answer);
  };
}"""
HOLD = "() => { window.heldBackMs = 1e9; }"
LET_GO = "() => { window.heldBackMs = 0; }"


def hear_answers(page: Page) -> None:
    """Load the page anew with every answer heard from its beginning."""
    page.add_init_script(f"({HELD_BACK})()")
    page.reload()
    page.wait_for_selector("html[data-form=restored]", state="attached")
    page.wait_for_selector("html[data-studio=ready]", state="attached")


def hold_answers(page: Page, *, for_ms: float = 1e9) -> None:
    """Hold back what comes from now on.

    Once all before has been answered: Gradio asks nothing more of a stream whose end has been sent, and a page that has
    not been let hear of that end would wait there for ever.
    """
    page.wait_for_function(
        """(held) => window.openStreams === 0 && new Promise((done) => setTimeout(() => {
          const idle = window.openStreams === 0;
          if (idle) window.heldBackMs = held;
          done(idle);
        }, 300))""",
        arg=for_ms,
    )
