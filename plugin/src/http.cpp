// SPDX-License-Identifier: Apache-2.0
#include "http.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <cerrno>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace takes {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostHeaderBytes = 16 * 1024;
constexpr int kGlanceMilliseconds = 100;

// ------------------------------------------------------------------------------------------------------- sockets

#ifdef _WIN32
using Handle = SOCKET;
constexpr Handle kNoSocket = INVALID_SOCKET;
void closeSocket(Handle handle) { closesocket(handle); }
int waitFor(WSAPOLLFD* one, int milliseconds) { return WSAPoll(one, 1, milliseconds); }
using PollEntry = WSAPOLLFD;
void dontBlock(Handle handle) { u_long on = 1; ioctlsocket(handle, FIONBIO, &on); }
bool underWay() { return WSAGetLastError() == WSAEWOULDBLOCK; }
struct Started {
    Started() { WSADATA data; WSAStartup(MAKEWORD(2, 2), &data); }
    ~Started() { WSACleanup(); }
};
#else
using Handle = int;
constexpr Handle kNoSocket = -1;
void closeSocket(Handle handle) { close(handle); }
int waitFor(pollfd* one, int milliseconds) { return poll(one, 1, milliseconds); }
using PollEntry = pollfd;
void dontBlock(Handle handle) { fcntl(handle, F_SETFL, fcntl(handle, F_GETFL, 0) | O_NONBLOCK); }
bool underWay() { return errno == EINPROGRESS || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }
struct Started {};
#endif
#ifdef MSG_NOSIGNAL
constexpr int kQuietly = MSG_NOSIGNAL;  // a closed connection is an error, not a signal
#else
constexpr int kQuietly = 0;
#endif

Clock::duration inSeconds(double seconds)
{
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// A connection that waits so long for each piece, and so long for all.
class Connection {
public:
    Connection(const std::atomic<bool>& stop, double silent_seconds, double total_seconds)
        : stop_(stop), patience_(inSeconds(silent_seconds)), end_(Clock::now() + inSeconds(total_seconds))
    {
    }
    ~Connection() { if (handle_ != kNoSocket) closeSocket(handle_); }

    HttpEnd open(const std::string& address, int port)
    {
        addrinfo hints{}, *found = nullptr;
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
        const bool local = address.compare(0, 4, "127.") == 0 || address == "::1";
        if (!local || getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return HttpEnd::kNobody;
        handle_ = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
        bool begun = false;
        if (handle_ != kNoSocket) {
            dontBlock(handle_);
#ifdef SO_NOSIGPIPE
            const int on = 1;
            setsockopt(handle_, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
            begun = connect(handle_, found->ai_addr, static_cast<socklen_t>(found->ai_addrlen)) == 0 || underWay();
        }
        freeaddrinfo(found);
        if (!begun) return HttpEnd::kNobody;
        if (const HttpEnd end = wait(POLLOUT); end != HttpEnd::kReplied) return end;
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(handle_, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&error), &size);
        return error ? HttpEnd::kNobody : HttpEnd::kReplied;
    }

    HttpEnd sendAll(const std::string& bytes)
    {
        for (std::size_t sent = 0; sent < bytes.size();) {
            if (const HttpEnd end = wait(POLLOUT); end != HttpEnd::kReplied) return end;
            const auto count = send(handle_, bytes.data() + sent, static_cast<int>(bytes.size() - sent), kQuietly);
            if (count < 0 && !underWay()) return HttpEnd::kSilent;
            if (count > 0) sent += static_cast<std::size_t>(count);
        }
        return HttpEnd::kReplied;
    }

    /// Append what has come to `bytes`; `count` 0: the other side has said all.
    HttpEnd receive(std::string& bytes, std::size_t& count)
    {
        char block[65536];
        for (;;) {
            if (const HttpEnd end = wait(POLLIN); end != HttpEnd::kReplied) return end;
            const auto got = recv(handle_, block, sizeof block, 0);
            if (got < 0 && underWay()) continue;
            if (got < 0) return HttpEnd::kSilent;
            count = static_cast<std::size_t>(got);
            bytes.append(block, count);
            return HttpEnd::kReplied;
        }
    }

private:
    /// Until the socket is ready; kReplied means it is.
    HttpEnd wait(short what)
    {
        const auto deadline = std::min(end_, Clock::now() + patience_);
        while (!stop_.load(std::memory_order_relaxed)) {
            if (Clock::now() >= deadline) return HttpEnd::kSilent;
            PollEntry entry{};
            entry.fd = handle_;
            entry.events = what;
            if (waitFor(&entry, kGlanceMilliseconds) > 0) return HttpEnd::kReplied;
        }
        return HttpEnd::kStopped;
    }

    [[maybe_unused]] Started started_;
    const std::atomic<bool>& stop_;
    Handle handle_ = kNoSocket;
    Clock::duration patience_;
    Clock::time_point end_;
};

// --------------------------------------------------------------------------------------------------------- replies

std::string written(const HttpRequest& request)
{
    const bool six = request.address.find(':') != std::string::npos;
    std::string text = request.method + " " + request.path + " HTTP/1.1\r\nHost: " + (six ? "[" : "") + request.address +
                       (six ? "]:" : ":") + std::to_string(request.port) + "\r\nConnection: close\r\n";
    for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
    if (request.method == "POST") text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    return text + "\r\n" + request.body;
}

std::string small(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// The status and headers of "HTTP/1.1 200 OK…"; false where it is nothing like it.
bool readHead(const std::string& head, HttpReply& reply)
{
    if (head.compare(0, 7, "HTTP/1.") != 0 || head.size() < 12) return false;
    reply.status = std::atoi(head.c_str() + 9);
    if (reply.status < 100 || reply.status > 599) return false;
    for (std::size_t at = head.find("\r\n"); at != std::string::npos && at + 2 < head.size();) {
        const std::size_t end = head.find("\r\n", at + 2), colon = head.find(':', at + 2);
        const std::string line = head.substr(at + 2, end == std::string::npos ? end : end - at - 2);
        if (colon != std::string::npos && colon < at + 2 + line.size()) {
            const std::string value = line.substr(colon - at - 1);
            reply.headers[small(line.substr(0, colon - at - 2))] = value.substr(std::min(value.size(), value.find_first_not_of(' ')));
        }
        at = end;
    }
    return true;
}

HttpEnd readReply(Connection& connection, const HttpRequest& request, HttpReply& reply)
{
    std::string text;
    std::size_t head_end, count = 0;
    while ((head_end = text.find("\r\n\r\n")) == std::string::npos) {
        if (text.size() > kMostHeaderBytes) return HttpEnd::kGarbage;
        if (text.size() >= 7 && text.compare(0, 7, "HTTP/1.") != 0) return HttpEnd::kGarbage;
        if (const HttpEnd end = connection.receive(text, count); end != HttpEnd::kReplied) return end;
        if (count == 0) return text.empty() ? HttpEnd::kSilent : HttpEnd::kGarbage;
    }
    if (!readHead(text.substr(0, head_end), reply)) return HttpEnd::kGarbage;
    const auto declared = reply.headers.find("content-length");
    if (declared == reply.headers.end()) return HttpEnd::kGarbage;  // the studio always says
    const unsigned long long length = std::strtoull(declared->second.c_str(), nullptr, 10);
    if (length > request.most_bytes) return HttpEnd::kTooMuch;
    reply.body = text.substr(head_end + 4);
    while (reply.body.size() < length) {
        if (const HttpEnd end = connection.receive(reply.body, count); end != HttpEnd::kReplied) return end;
        if (count == 0) return HttpEnd::kSilent;  // cut off
        if (reply.body.size() > request.most_bytes) return HttpEnd::kTooMuch;
    }
    reply.body.resize(static_cast<std::size_t>(length));
    return HttpEnd::kReplied;
}

}  // namespace

HttpReply ask(const HttpRequest& request, const std::atomic<bool>& stop)
{
    HttpReply reply;
    Connection connection(stop, request.silent_seconds, request.total_seconds);
    reply.end = connection.open(request.address, request.port);
    if (reply.end == HttpEnd::kReplied) reply.end = connection.sendAll(written(request));
    if (reply.end == HttpEnd::kReplied) reply.end = readReply(connection, request, reply);
    return reply;
}

}  // namespace takes
