// SPDX-License-Identifier: Apache-2.0
#include "studio.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace takes {

// ----------------------------------------------------------------------------------------------------------- finding

static const char* const kUsualAddress = "127.0.0.1";
static constexpr int kUsualPort = 7860;

static std::string from(const char* variable)
{
    const char* value = std::getenv(variable);
    return value ? value : "";
}

std::string studioFile()
{
    if (const std::string file = from("MUSICGEN_STUDIO_PLUGIN_FILE"); !file.empty()) return file;
#if defined(_WIN32)
    return from("LOCALAPPDATA") + "\\musicgen-studio\\plugin.txt";
#elif defined(__APPLE__)
    return from("HOME") + "/Library/Application Support/musicgen-studio/plugin.txt";
#else
    const std::string data = from("XDG_DATA_HOME");
    return (data.empty() ? from("HOME") + "/.local/share" : data) + "/musicgen-studio/plugin.txt";
#endif
}

bool findStudio(StudioPlace& place)
{
    std::ifstream file(studioFile(), std::ios::binary);
    char text[2048];
    file.read(text, sizeof text);
    return readPlace(std::string(text, static_cast<std::size_t>(file.gcount())), place);
}

/// Whether the text is one word of the letters that tokens have.
static bool isToken(const std::string& text)
{
    return text.size() >= 32 && text.size() <= 128 &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

bool readPlace(const std::string& text, StudioPlace& place)
{
    const auto first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
    if (const std::string word = first == std::string::npos ? "" : text.substr(first, last - first + 1); isToken(word)) {
        place = {kUsualAddress, word, kUsualPort, false};
        return true;
    }
    std::string plain = text;
    plain.erase(std::remove(plain.begin(), plain.end(), '\r'), plain.end());  // Windows' clipboard has them
    const Lines lines = readLines(plain);
    place.address = field(lines, "address");
    place.port = static_cast<int>(number(field(lines, "port")));
    place.token = field(lines, "token");
    place.shared = field(lines, "shared") == "yes";
    return place.shared || (!place.address.empty() && place.port > 0 && place.port < 65536 && !place.token.empty());
}

// ------------------------------------------------------------------------------------------------------------ asking

Status Studio::call(const char* method, const std::string& path, const std::string& body, std::size_t most_bytes, HttpReply& reply)
{
    StudioPlace left;
    const bool is_there = findStudio(left);
    if (!pasted_.token.empty()) {
        const Status heard = callAt(pasted_, method, path, body, most_bytes, reply);
        if (!is_there || (heard != Status::kNotRunning && heard != Status::kRefused)) return heard;
    }
    if (!is_there) return Status::kNotRunning;
    if (left.shared) return Status::kShared;
    return callAt(left, method, path, body, most_bytes, reply);
}

Status Studio::callAt(const StudioPlace& place, const char* method, const std::string& path, const std::string& body,
                      std::size_t most_bytes, HttpReply& reply)
{
    HttpRequest request;
    request.address = place.address;
    request.port = place.port;
    request.method = method;
    request.path = "/studio/plugin" + path;
    request.headers = {{"X-Studio-Token", place.token}, {"X-Studio-Protocol", std::to_string(kProtocol)}};
    request.body = body;
    request.most_bytes = most_bytes;
    request.silent_seconds = 8;  // a studio that makes music on every core answers late
    reply = ask(request, stop_);
    switch (reply.end) {
    case HttpEnd::kReplied: break;
    case HttpEnd::kNobody: return Status::kNotRunning;
    case HttpEnd::kGarbage: return Status::kNotStudio;
    case HttpEnd::kTooMuch: return Status::kTooMuch;
    case HttpEnd::kSilent:
    case HttpEnd::kStopped: return Status::kSilent;
    }
    if (reply.status == 401 || reply.status == 403) return Status::kRefused;
    const auto protocol = reply.headers.find("x-studio-protocol");
    if (protocol == reply.headers.end()) return Status::kNotStudio;
    if (protocol->second != std::to_string(kProtocol)) return Status::kOtherVersion;
    if (reply.status == 404) return Status::kGone;
    if (reply.status >= 400) {
        sentence_ = field(readLines(reply.body), "sentence");
        return Status::kSaidNo;
    }
    return Status::kReady;
}

Status Studio::greet(const std::string& instance, const std::string& about, Lines& answer)
{
    HttpReply reply;
    const Status status = call("POST", "/instances/" + escaped(instance), about, 1 << 20, reply);
    if (status == Status::kReady) answer = readLines(reply.body);
    return status;
}

Status Studio::list(std::vector<TakeLine>& takes)
{
    HttpReply reply;
    const Status status = call("GET", "/takes", "", 4 << 20, reply);
    if (status != Status::kReady) return status;
    takes.clear();
    for (const std::string& line : split(reply.body, '\n')) {
        const std::vector<std::string> fields = split(line, '\t');
        if (fields.size() >= 3) takes.push_back({fields[0], fields[1], fields[2]});
    }
    return status;
}

Status Studio::look(const std::string& take, Lines& facts)
{
    HttpReply reply;
    const Status status = call("GET", "/takes/" + escaped(take), "", 4 << 20, reply);
    if (status == Status::kReady) facts = readLines(reply.body);
    return status;
}

Status Studio::fetch(const std::string& take, const std::string& instance, double tempo_bpm, double rate_hz, Fetched& fetched)
{
    HttpReply reply;
    const std::string query = "/sound.wav?bpm=" + written(tempo_bpm, 6) + "&rate=" + written(rate_hz, 0) + "&for=" + escaped(instance);
    const Status status = call("GET", "/takes/" + escaped(take) + query, "", kMostSoundBytes, reply);
    if (status != Status::kReady) return status;
    if (reply.status == 202) {
        fetched.progress = number(field(readLines(reply.body), "progress"));
        return Status::kStretching;
    }
    fetched.used_bpm = number(reply.headers["x-studio-tempo"]);
    fetched.wav.swap(reply.body);
    return status;
}

Status Studio::make(const Asked& asked, std::string& job)
{
    HttpReply reply;
    const std::string body = "words " + escaped(asked.words) + "\nbars " + std::to_string(asked.bars) + "\nkey " + asked.key +
                             "\ntempo " + written(asked.tempo_bpm, 6) + "\n";
    const Status status = call("POST", "/jobs", body, 1 << 20, reply);
    if (status == Status::kReady) job = field(readLines(reply.body), "job");
    return status;
}

Status Studio::progress(const std::string& job, Lines& state)
{
    HttpReply reply;
    const Status status = call("GET", "/jobs/" + escaped(job), "", 1 << 20, reply);
    if (status == Status::kReady) state = readLines(reply.body);
    return status;
}

}  // namespace takes
