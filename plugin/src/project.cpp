// SPDX-License-Identifier: Apache-2.0
#include "project.hpp"

#include "wav.hpp"

#include <algorithm>

namespace takes {

static std::vector<double> inFrames(const std::vector<double>& seconds, double frames_a_second, const Region& music)
{
    std::vector<double> frames;
    for (const double second : seconds) {
        const double at = second * frames_a_second;
        if (at >= music.from - 1 && at < music.to - 64 && (frames.empty() || at > frames.back())) frames.push_back(at);
    }
    return frames;
}

std::unique_ptr<Sound> prepare(const KeptTake& kept)
{
    Wav wav;
    if (!readWav(kept.wav, wav)) return nullptr;
    auto sound = std::make_unique<Sound>();
    sound->rate_hz = wav.rate_hz;
    sound->frames = std::move(wav.frames);
    sound->tempo_bpm = kept.askedTempo();
    const double own = number(field(kept.facts, "tempo")), used = number(field(kept.facts, "used"), own);
    const double frames_a_second = own > 0 && used > 0 ? sound->rate_hz * own / used : sound->rate_hz;  // of its own time
    const auto size = static_cast<double>(sound->frames.size());
    const std::vector<double> bars = numbers(field(kept.facts, "bars"));
    const double end = number(field(kept.facts, "end")) * frames_a_second;
    const double start = bars.empty() ? 0 : bars.front() * frames_a_second;
    sound->music.from = start > 0 && start < size - 64 ? start : 0;
    sound->music.to = end > sound->music.from + 64 ? std::min(end, size) : size;
    sound->rings = field(kept.facts, "rings") == "1";
    sound->beats = inFrames(numbers(field(kept.facts, "beats")), frames_a_second, sound->music);
    sound->bars = inFrames(bars, frames_a_second, sound->music);
    sound->closeEnd();
    return sound;
}

std::string toState(const KeptTake& kept)
{
    if (kept.isEmpty()) return "";
    std::string text;
    for (const auto& [name, value] : kept.facts) text += name + " " + escaped(value) + "\n";
    return text + "wav " + toBase64(kept.wav) + "\n";
}

bool fromState(const std::string& text, KeptTake& kept)
{
    KeptTake read;
    for (const auto& [name, value] : readLines(text)) {
        if (name == "wav") {
            if (!fromBase64(value, read.wav)) return false;
        } else {
            read.facts[name] = unescaped(value);
        }
    }
    if (!text.empty() && read.isEmpty()) return false;
    kept = std::move(read);
    return true;
}

}  // namespace takes
