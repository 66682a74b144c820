"""What is typed the moment a field can be seen stays typed, for Gradio fills the fields of a fold again after it is opened."""

from __future__ import annotations

from playwright.sync_api import Page, expect

# Types as soon as the page shows the field, which no hand does; slower machines make slow hands as quick as that.
QUICK_HAND = """([opener, field]) => new Promise((done) => {
  const waits = setInterval(() => {
    const box = document.querySelector(field);
    if (!box?.checkVisibility({ visibilityProperty: true })) return;
    clearInterval(waits);
    box.value = "typed at once";
    box.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => done(box.value), 1500);
  }, 1);
  document.querySelector(opener).click();
})"""


def test_a_fold_keeps_what_is_typed_the_moment_it_shows(page: Page) -> None:
    page.get_by_label("Describe the music").fill("house, 124 bpm")
    page.locator("#st-plan-first").click()
    expect(page.locator("#st-plan-strip .st-section").first).to_be_visible()
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    fold = "#st-plan-edit"
    assert (
        page.evaluate(QUICK_HAND, [f"{fold} .label-wrap", f"{fold} input[type=text], {fold} textarea"])
        == "typed at once"
    )
    expect(page.locator("#st-plan-strip")).to_contain_text("typed at once")
