// The plug-in as DPF and so the hosts see it: parameters, state, MIDI and transport, passed on to the player and the
// worker. `run` is the only function the audio thread calls; it allocates nothing, takes no lock and makes no system call.
// SPDX-License-Identifier: Apache-2.0
#include "parameters.hpp"
#include "player.hpp"
#include "transport.hpp"
#include "worker.hpp"

#include "DistrhoPlugin.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

START_NAMESPACE_DISTRHO

class TakesPlugin : public Plugin {
public:
    TakesPlugin() : Plugin(takes::kParameterCount, 0, kStateCount), worker_(player_.handover())
    {
        for (uint32_t i = 0; i < takes::kParameterCount; ++i) values_[i] = takes::parameter(i).standard;
        player_.setRate(getSampleRate());
        worker_.setRate(getSampleRate());
    }

    takes::Worker& worker() { return worker_; }

protected:
    const char* getLabel() const override { return "MusicGenStudioTakes"; }
    const char* getDescription() const override { return "Plays the takes of a MusicGen Studio on this machine, in the host's tempo."; }
    const char* getMaker() const override { return "MusicGen Studio"; }
    const char* getLicense() const override { return "https://spdx.org/licenses/Apache-2.0"; }
    uint32_t getVersion() const override { return d_version(0, 1, 0); }
    int64_t getUniqueId() const override { return d_cconst('M', 'G', 'S', 't'); }

    // ---------------------------------------------------------------------------------------------- parameters

    void initParameter(uint32_t index, Parameter& parameter) override
    {
        const takes::ParameterFacts& facts = takes::parameter(index);
        parameter.name = facts.name;
        parameter.symbol = facts.symbol;
        parameter.unit = facts.unit;
        parameter.ranges = ParameterRanges(facts.standard, facts.least, facts.most);
        parameter.hints = facts.is_output ? kParameterIsOutput : kParameterIsAutomatable;
        if (facts.is_button) parameter.hints |= kParameterIsTrigger;
        else if (facts.is_switch) parameter.hints |= kParameterIsBoolean;
        else if (facts.is_whole) parameter.hints |= kParameterIsInteger;
        uint8_t count = 0;
        while (takes::choice(index, count)) ++count;
        if (count == 0) return;
        auto* const choices = new ParameterEnumerationValue[count];
        for (uint8_t i = 0; i < count; ++i) {
            choices[i].label = takes::choice(index, i);
            choices[i].value = i;
        }
        parameter.enumValues.count = count;
        parameter.enumValues.restrictedMode = true;
        parameter.enumValues.values = choices;
    }

    float getParameterValue(uint32_t index) const override
    {
        switch (index) {
        case takes::kStatus: return static_cast<float>(worker_.status());
        case takes::kProgress: return 100.f * worker_.progress();
        case takes::kSoundTempo: return sound_tempo_bpm_.load(std::memory_order_relaxed);
        default: return values_[index].load(std::memory_order_relaxed);
        }
    }

    /// Hosts call this on any thread, the audio thread among them.
    void setParameterValue(uint32_t index, float value) override
    {
        const bool pressed = value > 0.5f;
        switch (index) {
        case takes::kOlder: if (pressed) worker_.pressOlder(); return;  // a button has no value of its own
        case takes::kNewer: if (pressed) worker_.pressNewer(); return;
        case takes::kMake: if (pressed) worker_.pressMake(); return;
        case takes::kBars: worker_.setBars(static_cast<int>(std::lround(value))); break;
        case takes::kKey: worker_.setKey(static_cast<int>(std::lround(value))); break;
        case takes::kFollowTempo: worker_.followTempo(pressed); break;
        default: break;
        }
        values_[index].store(value, std::memory_order_relaxed);
    }

    // --------------------------------------------------------------------------------------------------- state

    enum { kStatePrompt, kStateTake, kStateStatus, kStateCount };

    void initState(uint32_t index, State& state) override
    {
        static const char* const keys[] = {"prompt", "take", "status"};
        static const char* const labels[] = {"Prompt", "Take", "Status"};
        state.key = keys[index];
        state.label = labels[index];
        state.defaultValue = "";
        state.hints = index == kStateTake ? kStateIsOnlyForDSP : index == kStateStatus ? kStateIsHostReadable : 0x0;
    }

    String getState(const char* key) const override
    {
        if (std::strcmp(key, "prompt") == 0) return String(takes::escaped(worker_.prompt()).c_str());
        if (std::strcmp(key, "take") == 0) return String(worker_.kept().c_str());
        if (std::strcmp(key, "status") == 0) return String(worker_.sentence().c_str());
        return String();
    }

    void setState(const char* key, const char* value) override
    {
        if (std::strcmp(key, "prompt") == 0) worker_.setPrompt(takes::unescaped(value));
        if (std::strcmp(key, "take") == 0) worker_.restore(value);
    }

    // --------------------------------------------------------------------------------------------------- sound

    void activate() override { worker_.begin(); }  // not before: hosts also make plug-ins only to look at them

    void sampleRateChanged(double rate_hz) override
    {
        player_.setRate(rate_hz);
        worker_.setRate(rate_hz);
    }

    void run(const float**, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t event_count) override
    {
        const takes::Transport transport = takes::transportOf(getTimePosition());
        worker_.hostTempo(transport.tempo_bpm);
        player_.begin(knobs(), transport, frames);
        uint32_t done = 0;
        for (uint32_t i = 0; i < event_count; ++i) {
            const uint32_t at = std::min(std::max(events[i].frame, done), frames);
            player_.render(outputs[0] + done, outputs[1] + done, at - done);
            done = at;
            if (events[i].size >= 2 && events[i].size <= MidiEvent::kDataSize) hear(events[i]);
        }
        player_.render(outputs[0] + done, outputs[1] + done, frames - done);
        player_.finish();
        sound_tempo_bpm_.store(static_cast<float>(player_.soundTempo()), std::memory_order_relaxed);
    }

private:
    void hear(const MidiEvent& event)
    {
        const uint8_t first = event.data[1], second = event.size > 2 ? event.data[2] : 0;
        switch (event.data[0] & 0xF0) {
        case 0x90:
            if (second > 0) player_.noteOn(first, second / 127.f);
            else player_.noteOff(first);
            break;
        case 0x80: player_.noteOff(first); break;
        case 0xB0:
            if (first == 120 || first == 123) player_.allOff();
            break;
        case 0xE0: player_.bend(((second << 7 | first) - 8192) / 8192.0 * 2.0); break;
        default: break;
        }
    }

    takes::Knobs knobs() const
    {
        const auto value = [this](uint32_t index) { return values_[index].load(std::memory_order_relaxed); };
        takes::Knobs knobs;
        knobs.gain = value(takes::kGain) <= -59.9f ? 0.f : std::pow(10.f, value(takes::kGain) / 20.f);
        knobs.keys = value(takes::kKeys) > 0.5f ? takes::Keys::kSlices : takes::Keys::kPitch;
        knobs.slice = static_cast<takes::Slice>(std::clamp(static_cast<int>(std::lround(value(takes::kSlice))), 0, 2));
        knobs.loop = value(takes::kLoop) > 0.5f;
        knobs.transport = value(takes::kTransport) > 0.5f;
        knobs.follow_tempo = value(takes::kFollowTempo) > 0.5f;
        knobs.release_seconds = value(takes::kRelease) / 1000.f;
        return knobs;
    }

    takes::Player player_;
    takes::Worker worker_;  // after the player: its thread ends before the player's sounds are freed
    std::atomic<float> values_[takes::kParameterCount];
    std::atomic<float> sound_tempo_bpm_{0};

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(TakesPlugin)
};

Plugin* createPlugin() { return new TakesPlugin; }

END_NAMESPACE_DISTRHO

/// What the window speaks to.
takes::Worker& workerOf(void* plugin) { return static_cast<DISTRHO_NAMESPACE::TakesPlugin*>(static_cast<DISTRHO_NAMESPACE::Plugin*>(plugin))->worker(); }
