// The smallest HTTP client that can ask a studio on this machine: one request, one reply, a limit and a deadline on
// everything. Speaks to loopback addresses only. For the worker thread. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <string>

namespace takes {

struct HttpRequest {
    std::string address = "127.0.0.1";  ///< a loopback address in figures
    int port = 0;
    std::string method = "GET", path;
    std::map<std::string, std::string> headers;
    std::string body;
    double silent_seconds = 3;          ///< how long nothing may come
    double total_seconds = 60;          ///< how long all of it may take
    std::size_t most_bytes = 1 << 20;   ///< how long its body may be
};

enum class HttpEnd {
    kReplied,   ///< a whole reply: see `status`
    kNobody,    ///< nobody listens there
    kSilent,    ///< no reply in time, or one that stopped in the middle
    kGarbage,   ///< something that is no HTTP
    kTooMuch,   ///< more than `most_bytes`
    kStopped,   ///< we are to stop
};

struct HttpReply {
    HttpEnd end = HttpEnd::kSilent;
    int status = 0;
    std::map<std::string, std::string> headers;  ///< names in small letters
    std::string body;
};

/// Ask and wait, looking at `stop` ten times a second.
HttpReply ask(const HttpRequest& request, const std::atomic<bool>& stop);

}  // namespace takes
