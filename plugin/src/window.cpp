// The plug-in's window: the studio's takes to choose from, words for a new one, a few switches, and the status in a sentence.
// It runs in the host's main thread and asks the worker directly. SPDX-License-Identifier: Apache-2.0
#include "parameters.hpp"
#include "worker.hpp"

#include "DistrhoUI.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

takes::Worker& workerOf(void* plugin);  // in plugin.cpp, in the same binary

START_NAMESPACE_DISTRHO

namespace {

constexpr uint kWidth = 560, kHeight = 420;
constexpr float kEdge = 18, kRow = 27, kListTop = 84, kListHeight = 7 * kRow, kLineTop = 300, kSwitchTop = 368;
constexpr int kIdlesAGlance = 6, kIdlesToRead = 400;

struct Box {
    float x, y, width, height;
    bool holds(double px, double py) const { return px >= x && px < x + width && py >= y && py < y + height; }
};

const Box kList{kEdge, kListTop, kWidth - 2 * kEdge, kListHeight};
const Box kField{kEdge, kLineTop, kWidth - 2 * kEdge - 108, 34};
const Box kPasteButton{kWidth - kEdge - 98, 275, 98, 21};
const Box kMakeButton{kWidth - kEdge - 98, kLineTop, 98, 34};
struct Switch {
    uint32_t parameter;
    const char* label;
    Box box;
};
const Switch kSwitches[] = {
    {takes::kTransport, "With the transport", {kEdge, kSwitchTop, 148, 30}},
    {takes::kLoop, "Loop", {kEdge + 156, kSwitchTop, 62, 30}},
    {takes::kKeys, "Slices on keys", {kEdge + 226, kSwitchTop, 122, 30}},
    {takes::kFollowTempo, "Host tempo", {kEdge + 356, kSwitchTop, 100, 30}},
};
const Box kBarsBox{kEdge + 464, kSwitchTop, 60, 30};

const Color kGround(24, 23, 22), kWell(33, 31, 29), kLine(62, 58, 54), kText(236, 230, 222), kMuted(158, 149, 139), kAccent(240, 165, 60);

}  // namespace

class TakesWindow : public UI {
public:
    TakesWindow() : UI(kWidth, kHeight), worker_(workerOf(getPluginInstancePointer()))
    {
        loadSharedResources();
        for (uint32_t i = 0; i < takes::kParameterCount; ++i) values_[i] = takes::parameter(i).standard;
        words_ = worker_.prompt();
        glance();
    }

protected:
    void parameterChanged(uint32_t index, float value) override
    {
        if (index < takes::kParameterCount) values_[index] = value;
        repaint();
    }
    void stateChanged(const char* key, const char* value) override
    {
        if (std::string(key) == "prompt") words_ = takes::unescaped(value);
        repaint();
    }

    void uiIdle() override
    {
        if (complaint_ends_ && --complaint_ends_ == 0) {
            complaint_.clear();
            repaint();
        }
        if (++idles_ % kIdlesAGlance == 0 && glance()) repaint();
    }

    // ------------------------------------------------------------------------------------------------- what is drawn

    void onNanoDisplay() override
    {
        textAlign(ALIGN_LEFT | ALIGN_MIDDLE);
        fill({0, 0, kWidth, kHeight}, kGround, 0);
        label("MusicGen Studio Takes", kEdge, 26, 13, kMuted);
        label(title_.empty() ? "No take yet" : title_, kEdge, 56, 22, kText, kWidth - 2 * kEdge - 110);
        if (values_[takes::kSoundTempo] > 0) {
            textAlign(ALIGN_RIGHT | ALIGN_MIDDLE);
            label(takes::written(std::round(values_[takes::kSoundTempo] * 100) / 100, 2) + " bpm", kWidth - kEdge, 56, 14, kAccent);
            textAlign(ALIGN_LEFT | ALIGN_MIDDLE);
        }
        drawList();
        const bool asks = wantsToken();
        label(complaint_.empty() ? sentence_ : complaint_, kEdge, 285, 13,
              worker_.status() >= takes::Status::kNotRunning ? kAccent : kMuted, kWidth - 2 * kEdge - (asks ? 108 : 0));
        if (asks) button(kPasteButton, "Paste token", false, 12);
        drawField();
        for (const Switch& each : kSwitches) button(each.box, each.label, values_[each.parameter] > 0.5f);
        button(kBarsBox, std::to_string(std::lround(values_[takes::kBars])) + " bars", false);
        label("Key C3 plays the take; with slices, one lies on each key from C1. Click the bars for more, right-click for fewer.", kEdge, 409, 10.5f, kMuted);
    }

    void drawList()
    {
        fill(kList, kWell, 8);
        save();
        scissor(kList.x, kList.y, kList.width, kList.height);
        for (std::size_t i = 0; i < takes_.size(); ++i) {
            const float y = kListTop + static_cast<float>(i) * kRow - scroll_;
            if (y < kListTop - kRow || y > kListTop + kListHeight) continue;
            const bool chosen = takes_[i].id == wanted_;
            if (chosen) fill({kList.x + 4, y + 3, 3, kRow - 6}, kAccent, 1.5f);
            label(takes_[i].title, kList.x + 16, y + kRow / 2, 14, chosen ? kAccent : kText, kList.width - 250);
            textAlign(ALIGN_RIGHT | ALIGN_MIDDLE);
            label(takes_[i].about, kList.x + kList.width - 12, y + kRow / 2, 12, kMuted);
            textAlign(ALIGN_LEFT | ALIGN_MIDDLE);
        }
        restore();
        if (takes_.empty()) label("The studio's takes will stand here.", kList.x + 16, kListTop + kRow, 14, kMuted);
    }

    void drawField()
    {
        fill(kField, kWell, 8);
        frame(kField, typing_ ? kAccent : kLine);
        save();
        scissor(kField.x + 8, kField.y, kField.width - 16, kField.height);
        const float middle = kField.y + kField.height / 2;
        if (words_.empty() && !typing_) label("Words for a new take: techno, dark, driving", kField.x + 12, middle, 14, kMuted);
        fontSize(14);
        Rectangle<float> bounds;
        const float wide = words_.empty() ? 0 : textBounds(0, 0, words_.c_str(), nullptr, bounds);
        const float shift = std::max(0.f, wide - (kField.width - 30));  // the end is what is being written
        label(words_, kField.x + 12 - shift, middle, 14, kText);
        if (typing_) fill({kField.x + 13 - shift + wide, kField.y + 8, 1.5f, kField.height - 16}, kAccent, 0);
        restore();
        button(kMakeButton, "New take", false);
    }

    void fill(const Box& box, const Color& color, float corner)
    {
        beginPath();
        roundedRect(box.x, box.y, box.width, box.height, corner);
        fillColor(color);
        NanoVG::fill();
        closePath();
    }
    void frame(const Box& box, const Color& color)
    {
        beginPath();
        roundedRect(box.x + 0.5f, box.y + 0.5f, box.width - 1, box.height - 1, 8);
        strokeWidth(1);
        strokeColor(color);
        stroke();
        closePath();
    }
    void button(const Box& box, const std::string& text, bool on, float size = 13)
    {
        fill(box, on ? kAccent : kWell, 8);
        frame(box, on ? kAccent : kLine);
        textAlign(ALIGN_CENTER | ALIGN_MIDDLE);
        label(text, box.x + box.width / 2, box.y + box.height / 2, size, on ? kGround : kText);
        textAlign(ALIGN_LEFT | ALIGN_MIDDLE);
    }
    /// A line of text; with a width, cut off with dots where it is longer.
    void label(std::string written, float x, float y, float size, const Color& color, float width = 0)
    {
        if (written.empty()) return;
        fontSize(size);
        fillColor(color);
        Rectangle<float> bounds;
        if (width > 0 && textBounds(0, 0, written.c_str(), nullptr, bounds) > width) {
            while (!written.empty() && textBounds(0, 0, (written + "…").c_str(), nullptr, bounds) > width) eraseLast(written);
            written += "…";
        }
        text(x, y, written.c_str(), nullptr);
    }

    // ----------------------------------------------------------------------------------------------- what is pressed

    bool onMouse(const MouseEvent& event) override
    {
        if (!event.press) return false;
        const double x = event.pos.getX(), y = event.pos.getY();
        typing_ = kField.holds(x, y);
        if (kList.holds(x, y)) {
            const auto row = static_cast<std::size_t>((y - kListTop + scroll_) / kRow);
            if (row < takes_.size()) worker_.choose(wanted_ = takes_[row].id);
        }
        if (kMakeButton.holds(x, y)) make();
        if (wantsToken() && kPasteButton.holds(x, y)) paste();
        for (const Switch& each : kSwitches)
            if (each.box.holds(x, y)) turn(each.parameter, values_[each.parameter] > 0.5f ? 0.f : 1.f);
        if (kBarsBox.holds(x, y)) {
            const float by = event.button == kMouseButtonRight ? 0.5f : 2.f;
            turn(takes::kBars, std::clamp(std::round(values_[takes::kBars] * by), 1.f, 64.f));
        }
        repaint();
        return true;
    }

    bool onScroll(const ScrollEvent& event) override
    {
        const float most = std::max(0.f, static_cast<float>(takes_.size()) * kRow - kListHeight);
        scroll_ = std::clamp(scroll_ - static_cast<float>(event.delta.getY()) * kRow, 0.f, most);
        repaint();
        return true;
    }

    bool onKeyboard(const KeyboardEvent& event) override
    {
        if (!typing_ || !event.press) return typing_;
        if (event.key == kKeyBackspace) eraseLast(words_);
        else if (event.key == kKeyEscape) typing_ = false;
        else if (event.key == '\r' || event.key == '\n') make();
        worker_.setPrompt(words_);
        repaint();
        return true;
    }

    bool onCharacterInput(const CharacterInputEvent& event) override
    {
        if (!typing_) return false;
        if (event.character >= ' ' && event.character != kKeyDelete && words_.size() < 1900) words_ += event.string;
        worker_.setPrompt(words_);
        repaint();
        return true;
    }

private:
    /// See what has changed behind the window; true: something has.
    bool glance()
    {
        std::vector<takes::TakeLine> takes = worker_.takes();
        const std::string title = worker_.title(), sentence = worker_.sentence(), wanted = worker_.wanted();
        const bool same = title == title_ && sentence == sentence_ && wanted == wanted_ && takes.size() == takes_.size() &&
                          (takes.empty() || takes.front().id == takes_.front().id);
        takes_ = std::move(takes);
        title_ = title;
        sentence_ = sentence;
        wanted_ = wanted;
        return !same;
    }

    /// Whether the studio's token may be what is missing: hosts in a sandbox cannot read the file it lies in.
    bool wantsToken() const
    {
        const takes::Status now = worker_.status();
        return now == takes::Status::kNotRunning || now == takes::Status::kRefused || now == takes::Status::kNotStudio;
    }

    /// Take the token out of the clipboard, where the studio's page has put it. It is kept in memory alone.
    void paste()
    {
        std::size_t size = 0;
        const void* const copied = getClipboard(size);
        const std::string text = copied == nullptr ? "" : std::string(static_cast<const char*>(copied), size);
        complaint_ = worker_.paste(text.substr(0, text.find('\0'))) ? "" : "There is no token in the clipboard; copy it on the studio's page.";
        complaint_ends_ = complaint_.empty() ? 0 : kIdlesToRead;
    }

    void make()
    {
        worker_.setPrompt(words_);
        worker_.pressMake();
    }

    void turn(uint32_t parameter, float value)
    {
        editParameter(parameter, true);
        setParameterValue(parameter, values_[parameter] = value);
        editParameter(parameter, false);
    }

    static void eraseLast(std::string& text)
    {
        while (!text.empty() && (text.back() & 0xC0) == 0x80) text.pop_back();
        if (!text.empty()) text.pop_back();
    }

    takes::Worker& worker_;
    std::vector<takes::TakeLine> takes_;
    std::string title_, sentence_, wanted_, words_, complaint_;
    float values_[takes::kParameterCount], scroll_ = 0;
    int idles_ = 0, complaint_ends_ = 0;
    bool typing_ = false;

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(TakesWindow)
};

UI* createUI() { return new TakesWindow; }

END_NAMESPACE_DISTRHO
