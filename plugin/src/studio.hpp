// The studio as the plug-in sees it: where it is found, what it is asked, what comes back.
//
// The protocol is described in docs/plugin.md: HTTP on loopback, a token in every request, lines of "name value".
// For the worker thread. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http.hpp"
#include "status.hpp"
#include "text.hpp"

#include <string>
#include <vector>

namespace takes {

constexpr int kProtocol = 1;
constexpr std::size_t kMostSoundBytes = 160u << 20;  ///< ten minutes at 48 kHz are 115 MB

/// Where a running studio is, out of the file it writes for plug-ins.
struct StudioPlace {
    std::string address, token;
    int port = 0;
    bool shared = false;  ///< it is there, but shared, and lets no plug-in in
};

/// The file's path: MUSICGEN_STUDIO_PLUGIN_FILE, or `plugin.txt` in the user's data folder of musicgen-studio.
std::string studioFile();
/// False where no studio has left its place.
bool findStudio(StudioPlace& place);
/// The place out of the file's lines, or out of what the studio's page copies, which are the same; a token alone is for the
/// usual address. False where neither is in the text.
bool readPlace(const std::string& text, StudioPlace& place);

/// A take as the studio lists it.
struct TakeLine {
    std::string id, title, about;
};

/// A sound on its way. used_bpm: the tempo it was really stretched to, which may be half or double; progress: 0 to 1.
struct Fetched {
    std::string wav;
    double used_bpm = 0, progress = 0;
};

/// What to make: key "" leaves it free, tempo_bpm 0 too.
struct Asked {
    std::string words, key;
    int bars = 8;
    double tempo_bpm = 0;
};

class Studio {
public:
    explicit Studio(const std::atomic<bool>& stop) : stop_(stop) {}

    /// A place that the user pasted goes before the file's, as long as it answers; it is kept here and nowhere else.
    void use(const StudioPlace& pasted) { pasted_ = pasted; }

    /// Say that we are here, and hear what the studio's page wants of us.
    Status greet(const std::string& instance, const std::string& about, Lines& answer);
    Status list(std::vector<TakeLine>& takes);
    /// What is known of a take's music; see `prepare` in project.hpp.
    Status look(const std::string& take, Lines& facts);
    /// Its sound for a tempo (0: its own) and at a rate, as a WAV. kStretching: not ready yet, ask again.
    Status fetch(const std::string& take, const std::string& instance, double tempo_bpm, double rate_hz, Fetched& fetched);
    Status make(const Asked& asked, std::string& job);
    Status progress(const std::string& job, Lines& state);

    /// The studio's own sentence for what it refused last.
    const std::string& sentence() const { return sentence_; }

private:
    Status call(const char* method, const std::string& path, const std::string& body, std::size_t most_bytes, HttpReply& reply);
    Status callAt(const StudioPlace& place, const char* method, const std::string& path, const std::string& body,
                  std::size_t most_bytes, HttpReply& reply);

    const std::atomic<bool>& stop_;
    std::string sentence_;
    StudioPlace pasted_;
};

}  // namespace takes
